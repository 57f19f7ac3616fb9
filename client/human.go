package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/dustin/go-humanize"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// size returns a number of bytes for people, such as 1.2 MiB.
func size(n int64) string {
	if n < 0 {
		return fmt.Sprintf("%d B", n) // a server's mistake
	}
	return humanize.IBytes(uint64(n))
}

// bytesFlag is the flag of commands that print sizes.
type bytesFlag struct {
	Bytes bool `help:"Print sizes as exact numbers of bytes."`
}

func (f bytesFlag) size(n int64) string {
	if f.Bytes {
		return strconv.FormatInt(n, 10)
	}
	return size(n)
}

// cacheUse says how full a cache is.
func (f bytesFlag) cacheUse(used, capacity int64) string {
	if f.Bytes {
		return fmt.Sprintf("%d of %d bytes", used, capacity)
	}
	text := fmt.Sprintf("%s of %s", size(used), size(capacity))
	if capacity > 0 {
		text += fmt.Sprintf(" (%.0f %%)", 100*float64(used)/float64(capacity))
	}
	return text
}

// localTime returns a time for people, or a dash if there is none.
func localTime(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format(time.DateTime)
}

// timeOf returns the time of a message, zero if it has none.
func timeOf(t *timestamppb.Timestamp) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.AsTime()
}

// recent is how long ago something is recent: its age says more than its time.
const recent = 24 * time.Hour

// when returns a recent time as an age, such as "3 min ago", and others as localTime does.
func when(t, now time.Time) string {
	age := now.Sub(t)
	if t.IsZero() || age < -time.Minute || age >= recent {
		return localTime(t)
	}
	if age < time.Second { // the clocks of two machines differ a little
		return "now"
	}
	return duration(age) + " ago"
}

// duration returns the largest unit of a time for people, such as "3 min".
func duration(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	default:
		return fmt.Sprintf("%d days", int(d.Hours()/24))
	}
}
