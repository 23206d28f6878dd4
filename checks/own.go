package checks

import (
	"context"
	"time"

	"repwatch/config"
)

type ownCheck struct{ Env }

func newOwn(env Env) Check { return &ownCheck{env} }

func (c *ownCheck) Name() string { return "own" }

func (c *ownCheck) Schedule() config.Cron { return every("6h") }

func (c *ownCheck) Plan(time.Time, int) []Ask { return nil }

func (c *ownCheck) Look(_ context.Context, a Ask) []Batch { return []Batch{begin(a)} }
