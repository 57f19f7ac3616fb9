package filecache

import (
	"context"
	"hash/crc32"
)

// openFile opens a file that was not cached. If it fits, it starts a fill or joins the one
// in progress.
func (c *Cache) openFile(dir *generation, info Info) *File {
	dir.retain()
	f := &File{Info: info, cache: c, dir: dir}

	c.mu.Lock()
	defer c.mu.Unlock()
	if found := c.lru.get(info.Name); found != nil && found.info.stamp == info.stamp {
		c.lru.use(info.Name)
		c.stats.Hits++
		f.content, f.Cached = found, true
	} else if filling := c.fills[info.Name]; filling != nil && filling.info.stamp == info.stamp {
		c.stats.Joins++
		f.content = filling
	} else if c.lru.reserve(info.Size) {
		dir.retain()
		f.content = newContent(info, dir)
		c.fills[info.Name] = f.content
		c.stats.Fills++
		go c.fill(f.content)
	} else {
		c.stats.Uncached++
	}
	return f
}

// fill reads a file into the cache. It runs in its own goroutine, so that a caller that
// leaves does not interrupt it for the others.
func (c *Cache) fill(into *content) {
	defer into.dir.release()
	last, sum, err := into.readBlocks(c)

	c.mu.Lock()
	if c.fills[into.info.Name] == into {
		delete(c.fills, into.info.Name)
	}
	if err == nil && into.dir == c.dir.current.Load() {
		c.lru.insert(into)
	} else {
		// Readers may keep the content for long, but its bytes are no longer charged.
		into.drop()
		c.lru.release(into.info.Size)
	}
	c.mu.Unlock()

	// The last block is added only now, so that a reader that reaches the end has read one
	// version, and finds the file in List.
	if err == nil && last != nil {
		into.add(last)
	}
	into.finish(sum, err)
}

// readBlocks reads the whole file and adds all blocks except the last, which it returns
// with the checksum of the file. It verifies the version after every block, because a
// reader may want only that block.
func (c *content) readBlocks(cache *Cache) (last []byte, sum uint32, err error) {
	for left := c.info.Size; left > 0; left -= int64(len(last)) {
		if last != nil {
			c.add(last)
		}
		// No caller's context applies. The timeouts of the pool do.
		last, err = cache.read(context.Background(), c.dir, c.info, c.info.Size-left, min(BlockSize, left))
		if err != nil {
			return nil, 0, err
		}
		sum = crc32.Update(sum, castagnoli, last)
	}
	return last, sum, nil
}
