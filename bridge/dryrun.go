package bridge

import (
	"context"
	"fmt"
	"time"

	"smppbridge/configs"
	"smppbridge/store"
)

// Messages of accounts with dry_run go a way of their own. It is a route in all that the dispatcher does: what is sent
// by it is begun, finished and reported like any message, under its own rate and circuit, and waits for no route that
// is down nor takes room from one. Only its sender is not one: dryRun answers instead of the API, and knows of all calls that
// they were delivered. So attempts whose outcome was lost are resolved as others are, without asking anybody.

// codeDryRun is what "the API said" of such messages.
const codeDryRun = "DRYRUN"

// errDelivered is the err of the receipt of a message that was delivered.
const errDelivered = "000"

func newDryRoute() *route {
	return newRoute(&configs.Route{
		Name: configs.RouteDryRun, Kind: configs.RouteDryRun, Account: configs.RouteDryRun,
		QPS: 10_000, Workers: 64, Weight: 1, Timeout: configs.Duration(5 * time.Second),
	})
}

// dryRun is a Sender that keeps the calls of accounts with dry_run from the one that makes calls.
type dryRun struct{ Sender }

// Send implements Sender.
func (s dryRun) Send(ctx context.Context, c Call) Answer {
	if c.Route != configs.RouteDryRun {
		return s.Sender.Send(ctx, c)
	}
	return Answer{Kind: store.OutcomeAccepted, BizID: codeDryRun + "^" + c.OutID, Code: codeDryRun, Whole: true}
}

// Find implements Sender.
func (s dryRun) Find(ctx context.Context, route, outID, phone string, begun time.Time) (Found, error) {
	if route != configs.RouteDryRun {
		return s.Sender.Find(ctx, route, outID, phone, begun)
	}
	return Found{Known: true, Final: true, Ending: store.EndDelivered, Err: errDelivered, Code: codeDryRun, DoneAt: begun}, nil
}

// Sent implements Sender.
func (s dryRun) Sent(ctx context.Context, route, phone string, from, to time.Time) ([]SentSMS, error) {
	if route != configs.RouteDryRun {
		return s.Sender.Sent(ctx, route, phone, from, to)
	}
	return nil, nil
}

// reportDry commits the reports of calls that were recorded and of which nobody else will send one. Should that fail, they
// are asked for like others.
func (d *dispatcher) reportDry(ctx context.Context, batch []ended) error {
	cmd := &store.Report{}
	now := d.b.now().UnixMilli()
	for i := range batch {
		e := &batch[i]
		if e.call.route.Name != configs.RouteDryRun || e.outcome.Kind != store.OutcomeAccepted {
			continue
		}
		for j := range e.call.members {
			m := &e.call.members[j]
			cmd.Reports = append(cmd.Reports, store.DeliveryReport{
				Number: m.Number, Attempt: e.outcome.Attempt, BizID: e.outcome.BizID, Phone: m.Message.Phone,
				Ending: store.EndDelivered, Err: errDelivered, Code: codeDryRun, DoneAt: now,
			})
		}
	}
	if len(cmd.Reports) == 0 {
		return nil
	}
	if err := d.b.commitReports(ctx, cmd); err != nil {
		return fmt.Errorf("of a dry run: %w", err)
	}
	return nil
}
