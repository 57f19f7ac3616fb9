package register

import (
	"slices"
	"time"
)

// table is a register in memory. It is not synchronised.
type table struct {
	records map[int32]Record
	// ids are the clients in order, so that the cost of a page does not depend on the size
	// of the table. A new client moves the IDs above it: 4 bytes each.
	ids []int32
}

func newTable() table { return table{records: map[int32]Record{}} }

// put sets the record of a client.
func (t *table) put(id int32, r Record) {
	size := len(t.records)
	t.records[id] = r
	if len(t.records) > size {
		at, _ := slices.BinarySearch(t.ids, id)
		t.ids = slices.Insert(t.ids, at, id)
	}
}

// change implements Store.Save.
func (t *table) change(id int32, c Change) { t.put(id, c.apply(t.records[id])) }

// register implements Store.Register.
func (t *table) register(id int32, door Door, now time.Time) (r Record, returning bool) {
	r, returning = t.records[id]
	if !returning {
		r = NewClient
	}
	r = Change{Seen: SeenAt(door, now)}.apply(r)
	t.put(id, r)
	return r, returning
}

// list implements Store.List, but for the sessions.
func (t *table) list(after int32, limit int) []Client {
	at, found := slices.BinarySearch(t.ids, after)
	if found {
		at++
	}
	ids := t.ids[at:]
	ids = ids[:min(limit, len(ids))]
	page := make([]Client, len(ids))
	for i, id := range ids {
		page[i] = Client{ID: id, Record: t.records[id]}
	}
	return page
}
