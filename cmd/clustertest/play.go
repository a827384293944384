//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"sync/atomic"
)

// errFound says that a promise was broken; the table says which.
var errFound = errors.New("promises were broken")

// A player plays scenes, one after the other, on one cluster as long as it is sound.
type player struct {
	options options
	lab     *lab
	random  *rand.Rand
	numbers atomic.Int64
	report  report

	clusters int
	cluster  *cluster
	book     *book
	mark     int64 // where in the API's ledger the cluster's messages begin
}

// playAll plays all chosen scenes in dir.
func playAll(ctx context.Context, o options, dir string) error {
	list, err := chosen(o)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	l, err := newLab(ctx, o, dir)
	if err != nil {
		cancel()
		return err
	}
	defer l.wait()
	defer cancel()
	p := &player{options: o, lab: l, random: rand.New(rand.NewPCG(o.seed, 4))}
	p.report.begin(o)
	for _, s := range list {
		if err = p.scene(ctx, s); err != nil {
			break
		}
	}
	p.drop(ctx)
	return errors.Join(err, p.report.end())
}

// fewRounds is how few are taken for a wish to be done soon: then only the core of the scenes is played.
const fewRounds = 5

// chosen are the scenes that the command line asks for and the cluster has nodes for.
func chosen(o options) ([]scene, error) {
	only, err := regexp.Compile(o.only)
	if err != nil {
		return nil, err
	}
	skip, err := regexp.Compile(o.skip)
	if err != nil {
		return nil, err
	}
	var list []scene
	for _, s := range scenes() {
		if s.nodes <= o.nodes && (o.long || !s.long) && (s.core || o.rounds >= fewRounds || o.only != "") && only.MatchString(s.name) &&
			(o.skip == "" || !skip.MatchString(s.name)) {
			list = append(list, s)
		}
	}
	if len(list) == 0 {
		return nil, errors.New("no scene is chosen")
	}
	return list, nil
}

// scene plays all rounds of a scene. Its error ends the run: nothing can be played any more.
func (p *player) scene(ctx context.Context, s scene) error {
	row := p.report.row(s)
	rounds := p.options.rounds
	if s.mixed {
		rounds = 1
	}
	for i := range rounds {
		if err := p.need(ctx); err != nil {
			return err
		}
		r := &round{cluster: p.cluster, book: p.book, random: p.random, span: p.options.mix}
		t, err := r.play(ctx, s, p.options.load)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if errors.Is(err, errNoPlace) {
			return err
		}
		row.enter(i+1, r, t, err)
		if err != nil || t.bad(r.quiet(s)) > 0 {
			p.drop(ctx) // whatever it is, the next round shall not see it
		}
	}
	row.close(p.late())
	return nil
}

// late judges all rounds of the cluster's life once more: what was doubled late.
func (p *player) late() int {
	if p.cluster == nil {
		return 0
	}
	t := p.book.judge(0, byKey(p.lab.api.entries(p.mark)), nil)
	return t.doubled + t.ghosts
}

// need makes a cluster if there is none.
func (p *player) need(ctx context.Context) error {
	if p.cluster != nil {
		return nil
	}
	p.clusters++
	c, err := p.lab.newCluster(ctx, fmt.Sprintf("cluster%d", p.clusters), p.options.nodes)
	if err != nil {
		return fmt.Errorf("make a cluster: %w", err)
	}
	p.cluster, p.book, p.mark = c, newBook(&p.numbers), p.lab.api.mark()
	return nil
}

// drop ends the cluster, if there is one.
func (p *player) drop(ctx context.Context) {
	if p.cluster != nil {
		p.cluster.close(ctx)
		p.cluster = nil
	}
}

// findTools finds the programs that disks are made with, or installs them.
func findTools(ctx context.Context, install bool) error {
	missing := false
	for _, name := range []string{"mkfs.ext4", "mount"} {
		if _, err := os.Stat(filepath.Join("/usr/sbin", name)); err == nil {
			continue
		}
		if _, err := os.Stat(filepath.Join("/usr/bin", name)); err != nil {
			missing = true
		}
	}
	if !missing {
		return nil
	}
	if !install {
		return errors.New("mkfs.ext4 and mount are needed (Debian's e2fsprogs and mount); --install installs them")
	}
	if err := tool(ctx, "apt-get", "update", "-q"); err != nil {
		return err
	}
	return tool(ctx, "apt-get", "install", "-qy", "--no-install-recommends", "e2fsprogs", "mount")
}
