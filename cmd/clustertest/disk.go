//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// diskSize is a node's disk. The image is sparse: only what is written takes space.
const diskSize = 2 << 30

// A disk is an ext4 file system in an image file, mounted through a loop device. Its power can fail.
type disk struct {
	image, dir string
}

// newDisk makes and mounts a disk.
func newDisk(ctx context.Context, image, dir string) (*disk, error) {
	d := &disk{image: image, dir: dir}
	f, err := os.Create(image)
	if err != nil {
		return nil, err
	}
	err = f.Truncate(diskSize)
	if err = errors.Join(err, f.Close(), os.MkdirAll(dir, 0o700)); err != nil {
		return nil, err
	}
	if err := tool(ctx, "mkfs.ext4", "-q", "-F", "-m", "0", image); err != nil {
		return nil, err
	}
	return d, d.mount(ctx)
}

func (d *disk) mount(ctx context.Context) error {
	return tool(ctx, "mount", "-o", "loop", d.image, d.dir)
}

// tool runs a program of the system's.
func tool(ctx context.Context, name string, args ...string) error {
	path, err := exec.LookPath(name)
	if err != nil {
		if path, err = exec.LookPath(filepath.Join("/usr/sbin", name)); err != nil {
			return fmt.Errorf("%w: %w", errNoPlace, err)
		}
	}
	out, err := exec.CommandContext(ctx, path, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s: %w: %s", errNoPlace, name, err, strings.TrimSpace(string(out)))
	}
	return nil
}

// ext4Shutdown is EXT4_IOC_SHUTDOWN, and noLogFlush its flag that forgets what the journal has not on disk.
const (
	ext4Shutdown = 0x8004587d
	noLogFlush   = 2
)

// powerOff ends the file system as a power failure would: what was not synced is gone, and everything that
// is done to it from now on fails.
func (d *disk) powerOff() error {
	f, err := os.Open(d.dir)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	if err := unix.IoctlSetPointerInt(int(f.Fd()), ext4Shutdown, noLogFlush); err != nil {
		return fmt.Errorf("%w: EXT4_IOC_SHUTDOWN: %w", errNoPlace, err)
	}
	return nil
}

// powerOn mounts the disk again, as a machine that starts does. Nobody may use it.
func (d *disk) powerOn(ctx context.Context) error {
	if err := d.unmount(ctx); err != nil {
		return err
	}
	return d.mount(ctx)
}

// checkPower is nil if a disk whose power fails keeps what was synced and nothing else. Were it otherwise, a scene
// with a power loss would prove nothing.
func checkPower(ctx context.Context, dir string) error {
	d, err := newDisk(ctx, filepath.Join(dir, "check.img"), filepath.Join(dir, "check"))
	if err != nil {
		return err
	}
	synced, loose := filepath.Join(d.dir, "synced"), filepath.Join(d.dir, "loose")
	f, err := os.Create(synced)
	if err == nil {
		err = errors.Join(f.Sync(), f.Close(), os.WriteFile(loose, []byte("not synced"), 0o600))
	}
	err = errors.Join(err, d.powerOff(), d.powerOn(ctx))
	if _, kept := os.Stat(synced); err == nil && kept != nil {
		err = fmt.Errorf("%w: a disk forgets what was synced", errNoPlace)
	}
	if _, kept := os.Stat(loose); err == nil && kept == nil {
		err = fmt.Errorf("%w: a disk remembers what was not synced", errNoPlace)
	}
	return errors.Join(err, d.unmount(ctx), os.Remove(d.image))
}

// unmount waits until the last of an ended process's files is closed.
func (d *disk) unmount(ctx context.Context) error {
	deadline := time.Now().Add(patience)
	for {
		err := unix.Unmount(d.dir, 0)
		if err == nil || errors.Is(err, unix.EINVAL) { // not mounted
			return nil
		}
		if !errors.Is(err, unix.EBUSY) || time.Now().After(deadline) {
			return fmt.Errorf("unmount: %w", err)
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

// fillerName is the file that takes a disk's space.
const fillerName = "filler"

// fill takes all space.
func (d *disk) fill() error {
	f, err := os.Create(filepath.Join(d.dir, fillerName))
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	at := int64(0)
	for step := int64(1 << 30); step >= 1<<12; { // ever smaller pieces, until not even the smallest fits
		switch err := unix.Fallocate(int(f.Fd()), 0, at, step); {
		case err == nil:
			at += step
		case errors.Is(err, unix.ENOSPC):
			step /= 2
		case !errors.Is(err, unix.EINTR):
			return fmt.Errorf("fill the disk: %w", err)
		}
	}
	return nil
}

// free gives the space back.
func (d *disk) free() error { return os.Remove(filepath.Join(d.dir, fillerName)) }

// pause lets d pass, or returns ctx's error.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
