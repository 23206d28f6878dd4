package checks

import (
	"context"
	"time"

	"repwatch/config"
)

type partnersCheck struct{ Env }

func newPartners(env Env) Check { return &partnersCheck{env} }

func (c *partnersCheck) Name() string { return "partners" }

func (c *partnersCheck) Schedule() config.Cron { return c.Config.Schedule.Partners }

func (c *partnersCheck) Plan(time.Time, int) []Ask { return nil }

func (c *partnersCheck) Look(_ context.Context, a Ask) []Batch { return []Batch{begin(a)} }
