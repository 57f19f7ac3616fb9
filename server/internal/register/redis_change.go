package register

import "strconv"

// redisChange is the entry of a client in a group.
type redisChange struct {
	seen     Seen
	register bool // whether to return the record
	sessions bool // whether the number of sessions has changed

	// writes set the value, in the order of the calls. One that repeats nothing replaces
	// those before it.
	writes []redisWrite
	first  [1]redisWrite // room for the usual case
	number redisNumber

	asked    asked
	answered bool // whether returning is known

	// The answer to register.
	told      Record
	returning bool
}

// redisWrite is a Change of the value. held is set if it is held back; see Redis.
type redisWrite struct {
	Change
	held bool
}

// redisNumber is a change of the number.
type redisNumber struct {
	set, held bool
	number    int32
}

// version identifies the last writes of a record that a server knows.
type version struct {
	revision, writer int64 // of the value; see Record
	numbers          int64 // counts the writes of the number
}

// asked is what a script was asked to set.
type asked struct {
	value, number bool // whether to set them
	record        Record
	numbers       int64
}

// maxWrites bounds the waiting writes of one client. There are more than two only if
// several lost sessions of one ID are repeated within a group; a write beyond the bound
// replaces the last one.
const maxWrites = 8

// merge adds a later change.
func (c *redisChange) merge(later Change) {
	if later.SetNumber {
		c.number = redisNumber{set: true, number: later.Number}
	}
	c.seen = c.seen.merge(later.Seen)
	if !later.SetValue {
		return
	}
	w := redisWrite{Change: Change{SetValue: true, Value: later.Value, Writer: later.Writer, Repeats: later.Repeats}}
	switch n := len(c.writes); {
	case later.Repeats == nil:
		c.first[0] = w
		c.writes = c.first[:]
	case n > 0 && c.writes[n-1].repeatsTheSame(later):
		c.writes[n-1].Value = later.Value
	case n == maxWrites:
		c.writes[n-1] = w
	default:
		c.writes = append(c.writes, w)
	}
}

// repeatsTheSame reports whether both are of one session, and repeat the same one.
func (w redisWrite) repeatsTheSame(later Change) bool {
	return w.Repeats != nil && *w.Repeats == *later.Repeats && w.Writer == later.Writer
}

func (c *redisChange) countSessions() { c.sessions = true }

// hold holds back the writes that are not conditional.
func (c *redisChange) hold() {
	if len(c.writes) > 0 && c.writes[0].Repeats == nil {
		c.writes[0].held = true
	}
	c.number.held = c.number.set
}

// concernsRecord reports whether there is more to do than to count sessions.
func (c *redisChange) concernsRecord() bool {
	return c.register || c.number.set || len(c.writes) > 0 || c.seen != Seen{}
}

// args returns the script's arguments for the change of a record whose last known version
// is given. If none is known, the script only returns the record.
func (c *redisChange) args(id int32, v version, known bool) []any {
	tell, number, numbers, value, revision, writer := "", "", "", "", "", ""
	c.asked = asked{}
	if c.register || !known {
		tell = "1"
	}
	if known {
		c.asked.record, c.asked.value = c.resolve(v)
		c.asked.number, c.asked.numbers = c.number.set, v.numbers+1
	}
	if c.asked.value {
		value = strconv.FormatInt(c.asked.record.Value, 10)
		revision = strconv.FormatInt(c.asked.record.Revision, 10)
		writer = strconv.FormatInt(c.asked.record.Writer, 10)
	}
	if c.asked.number {
		number = strconv.Itoa(int(c.number.number))
		numbers = strconv.FormatInt(c.asked.numbers, 10)
	}
	return []any{id, tell, c.seen[GRPC], c.seen[Legacy], number, numbers, value, revision, writer}
}

// resolve applies the writes to a record of that version, and returns the value, and
// whether they set it.
func (c *redisChange) resolve(v version) (r Record, set bool) {
	r = Record{Revision: v.revision, Writer: v.writer}
	for _, w := range c.writes {
		r = w.apply(r)
	}
	if r.Revision == v.revision {
		return r, false
	}
	r.Revision = v.revision + 1
	return r, true
}

// written processes the reply that everything was written to a record of version v. It
// returns the record's new version.
func (c *redisChange) written(v version) version {
	if c.asked.value {
		v.revision, v.writer = c.asked.record.Revision, c.asked.record.Writer
	}
	if c.asked.number {
		v.numbers = c.asked.numbers
	}
	c.writes, c.number = nil, redisNumber{}
	return v
}

// compare compares the record that the script returned with what it was asked for. v is
// the version that was known before. Writes that were made, by this attempt or by one that
// seemed to have failed, are done. It returns whether other servers have written.
func (c *redisChange) compare(v version, told Record, numbers int64) (others others) {
	isMine := c.asked.value && told.Value == c.asked.record.Value &&
		told.Revision == c.asked.record.Revision && told.Writer == c.asked.record.Writer
	others.value = !isMine &&
		(told.Revision > v.revision || told.Revision == v.revision && told.Writer != v.writer)
	if !others.value && (isMine || !c.asked.value) {
		c.writes = nil // written, or they repeat something superseded
	}
	isMine = c.asked.number && numbers == c.asked.numbers && told.Number == c.number.number
	others.number = !isMine && numbers > v.numbers
	if isMine {
		c.number = redisNumber{}
	}
	return others
}

// others tells which parts of a record other servers have written.
type others struct{ value, number bool }

// supersede drops those of these writes that are held back, and reports whether there
// were any.
func (c *redisChange) supersede(o others) (some bool) {
	if o.value && len(c.writes) > 0 && c.writes[0].held {
		c.writes, some = c.writes[1:], true
	}
	if o.number && c.number.held {
		c.number, some = redisNumber{}, true
	}
	return some
}
