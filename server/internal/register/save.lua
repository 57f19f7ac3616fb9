-- Changes clients' records. A write names the count that the record has after it, and is
-- not made if the record has that count already: another server has written.
--
-- KEYS: the index, then the hash of each client.
-- ARGV: nine for each client: its ID; "1" to get its record; when it was seen at gRPC and
-- at the legacy door, 0 for never; number and its count; value, its revision and its
-- writer; empty if not set.
-- Returns 0 for each client if everything was written. If not, or if the record was
-- requested, returns: 1 if it had a record before, else 0; number, its count, value, its
-- revision, its writer; when it was seen at gRPC and at the legacy door.
local fields = {"number", "numbers", "value", "revision", "writer", "seen_grpc", "seen_legacy"}
local replies = {}
for i = 1, #KEYS - 1 do
  local key, a = KEYS[i + 1], (i - 1) * 9
  local id, tell = ARGV[a + 1], ARGV[a + 2] == "1"
  local number, numbers = ARGV[a + 5], ARGV[a + 6]
  local value, revision, writer = ARGV[a + 7], ARGV[a + 8], ARGV[a + 9]
  local is = redis.call("HMGET", key, unpack(fields))
  local returning = is[1] and 1 or 0
  local set = {key}
  if not is[1] then
    redis.call("ZADD", KEYS[1], id, id)
    is = {"1"}
    -- Earlier versions recognize a record by its number_at.
    set = {key, "number", 1, "number_at", 0, "value", 0, "value_at", 0, "seen_grpc", 0, "seen_legacy", 0}
  end
  for f = 2, #fields do
    is[f] = is[f] or "0" -- records of earlier versions have no counts
  end
  local n = #set
  if number ~= "" then
    if tonumber(numbers) > tonumber(is[2]) then
      set[n + 1], set[n + 2], set[n + 3], set[n + 4] = "number", number, "numbers", numbers
      is[1], is[2] = number, numbers
      n = n + 4
    else
      tell = true
    end
  end
  if value ~= "" then
    if tonumber(revision) > tonumber(is[4]) then
      set[n + 1], set[n + 2], set[n + 3], set[n + 4] = "value", value, "revision", revision
      set[n + 5], set[n + 6] = "writer", writer
      is[3], is[4], is[5] = value, revision, writer
      n = n + 6
    else
      tell = true
    end
  end
  for door = 6, 7 do
    local seen = ARGV[a + door - 3]
    if tonumber(seen) > tonumber(is[door]) then
      set[n + 1], set[n + 2] = fields[door], seen
      is[door] = seen
      n = n + 2
    end
  end
  if n > 1 then
    redis.call("HSET", unpack(set))
  end
  replies[i] = tell and {returning, unpack(is)} or 0
end
return replies
