package register

import (
	"cmp"
	"slices"
	"time"
)

// table is a register in memory, by client ID. It is not synchronised.
type table map[int32]Record

// register implements Store.Register.
func (t table) register(id int32, door Door, now time.Time) (r Record, returning bool) {
	r, returning = t[id]
	if !returning {
		r = NewClient
	}
	r = Change{Seen: SeenAt(door, now)}.apply(r)
	t[id] = r
	return r, returning
}

// list implements Store.List, but for the sessions.
func (t table) list(after int32, limit int) []Client {
	var page []Client
	for id, r := range t {
		if id > after {
			page = append(page, Client{ID: id, Record: r})
		}
	}
	slices.SortFunc(page, func(a, b Client) int { return cmp.Compare(a.ID, b.ID) })
	return page[:min(limit, len(page))]
}
