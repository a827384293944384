//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// restartPause is after how long a node that ended by itself is started again, as its systemd unit does.
const restartPause = time.Second

// A process is a node's daemon: started, watched, started again when it ends by itself, hurt on purpose.
type process struct {
	name   string
	log    *os.File
	launch func(*exec.Cmd) error
	args   []string // the program and its arguments

	mu      sync.Mutex
	cmd     *exec.Cmd     // guarded by mu; nil while none runs
	exited  chan struct{} // guarded by mu; closed when cmd has ended
	wanted  bool          // guarded by mu; should run
	asked   bool          // guarded by mu; cmd's end is our doing
	endings []ending      // guarded by mu; that were not
	watch   sync.WaitGroup
}

// An ending is one that nobody asked for.
type ending struct {
	at  time.Time
	err error
}

// start starts the program, and keeps it running until it is stopped or killed.
func (p *process) start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wanted = true
	if p.cmd != nil {
		return nil
	}
	return p.startLocked()
}

func (p *process) startLocked() error {
	cmd := exec.Command(p.args[0], p.args[1:]...)
	cmd.Stdout, cmd.Stderr = p.log, p.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // an interrupt is ours alone
	if err := p.launch(cmd); err != nil {
		return fmt.Errorf("start %s: %w", p.name, err)
	}
	exited := make(chan struct{})
	p.cmd, p.exited, p.asked = cmd, exited, false
	_, _ = fmt.Fprintf(p.log, "--- started, pid %d\n", cmd.Process.Pid)
	p.watch.Go(func() { p.await(cmd, exited) }) // ends with the program, or a restart later
	return nil
}

// await waits for the end of cmd, and starts the next one if nobody wanted that end.
func (p *process) await(cmd *exec.Cmd, exited chan struct{}) {
	err := cmd.Wait()
	_, _ = fmt.Fprintf(p.log, "--- ended: %v\n", cmd.ProcessState)
	p.mu.Lock()
	p.cmd = nil
	again := !p.asked && p.wanted
	if again {
		p.endings = append(p.endings, ending{time.Now(), err})
	}
	p.mu.Unlock()
	close(exited)
	if !again {
		return
	}
	time.Sleep(restartPause)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.wanted && p.cmd == nil {
		_ = p.startLocked() // it is missed soon enough
	}
}

// signal sends a signal to the running program, and says whether there was one. ends says that the signal is
// meant to end it.
func (p *process) signal(s syscall.Signal, ends bool) (exited <-chan struct{}, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if ends {
		p.wanted = false
	}
	if p.cmd == nil {
		return nil, false
	}
	p.asked = p.asked || ends
	_ = p.cmd.Process.Signal(s) // it may just have ended
	return p.exited, true
}

// kill ends the program at once, and waits until it is gone.
func (p *process) kill() {
	if exited, ok := p.signal(syscall.SIGKILL, true); ok {
		<-exited
	}
}

// freeze stops the program where it is; thaw lets it go on.
func (p *process) freeze() { p.signal(syscall.SIGSTOP, false) }
func (p *process) thaw()   { p.signal(syscall.SIGCONT, false) }

// errSlowEnd is returned when a program does not end when it is asked to.
var errSlowEnd = errors.New("it did not end in time")

// terminate asks the program to end, waits, and says how it ended.
func (p *process) terminate(ctx context.Context, within time.Duration) error {
	p.mu.Lock()
	cmd := p.cmd
	p.mu.Unlock()
	exited, ok := p.signal(syscall.SIGTERM, true)
	if !ok {
		return fmt.Errorf("stop %s: it does not run", p.name)
	}
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-exited:
	case <-timer.C:
		return fmt.Errorf("stop %s: %w", p.name, errSlowEnd)
	case <-ctx.Done():
		return ctx.Err()
	}
	if !cmd.ProcessState.Success() {
		return fmt.Errorf("stop %s: %v", p.name, cmd.ProcessState)
	}
	return nil
}

// takeEndings returns the endings that nobody asked for since the last call.
func (p *process) takeEndings() []ending {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := p.endings
	p.endings = nil
	return list
}

// expectEnd says that the program may end by itself, and is not to be started again.
func (p *process) expectEnd() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wanted, p.asked = false, true
}

// close kills the program and waits until nobody starts it again.
func (p *process) close() {
	p.kill()
	p.watch.Wait()
	_ = p.log.Close()
}
