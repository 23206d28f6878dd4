package checks

import (
	"context"
	"time"

	"repwatch/config"
)

type listsCheck struct{ Env }

func newLists(env Env) Check { return &listsCheck{env} }

func (c *listsCheck) Name() string { return "lists" }

func (c *listsCheck) Schedule() config.Cron { return c.Config.Schedule.Blocklists }

func (c *listsCheck) Plan(time.Time, int) []Ask { return nil }

func (c *listsCheck) Look(_ context.Context, a Ask) []Batch { return []Batch{begin(a)} }
