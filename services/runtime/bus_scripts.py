"""What the bus has Redis do in one piece, in Lua."""

from typing import Final

# KEYS: the state hash, then one stream for each output. ARGV: epoch, owner, number of the last acknowledged
# commit, when the commit comes too late (ms of Redis time, 0 for never), number of fields, the fields and
# values, then for each output: maxlen ("" for none), "1" where it may be left out, number of parts, the
# parts. Returns the streams whose outputs were left out.
#
# Redis does not roll a script back. So all that can fail is tried before the first output: a key of another
# type, a stream whose ids are spent, and by writing what is there already a state that cannot be written.
COMMIT: Final = """
local function takes(key)
  local kind = redis.call('TYPE', key)['ok']
  if kind ~= 'stream' then return kind == 'none' end
  local info = redis.call('XINFO', 'STREAM', key)
  for at = 1, #info - 1, 2 do
    if info[at] == 'last-generated-id' then
      local ms, number = string.match(info[at + 1], '^(%d+)-(%d+)$')
      return ms ~= '18446744073709551615' or #number < 20
    end
  end
  return true
end
local held = redis.call('HMGET', KEYS[1], 'epoch', 'owner', 'commits')
if not held[1] then
  return redis.error_reply('EMPTIED the state of this service is gone')
end
if (tonumber(held[1]) or 0) < tonumber(ARGV[1]) then
  return redis.error_reply('EMPTIED what this service wrote last is gone, its epoch with it')
end
if held[1] ~= ARGV[1] or held[2] ~= ARGV[2] then
  return redis.error_reply('FENCED another instance has taken over')
end
local kept, acknowledged = tonumber(held[3] or '0'), tonumber(ARGV[3])
if kept < acknowledged then
  return redis.error_reply('EMPTIED commits after ' .. kept .. ' are gone, the last was ' .. acknowledged)
end
if kept > acknowledged then
  return redis.error_reply('AHEAD commit ' .. kept .. ' is stored, our last was ' .. acknowledged)
end
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
if tonumber(ARGV[4]) > 0 and now_ms >= tonumber(ARGV[4]) then
  return redis.error_reply(string.format('LATE %d', now_ms))
end
local takes_it, left_out, refused = {}, {}, {}
local at = 6 + tonumber(ARGV[5])
for i = 2, #KEYS do
  local key = KEYS[i]
  if takes_it[key] == nil then
    takes_it[key] = takes(key)
    if not takes_it[key] then table.insert(ARGV[at + 1] == '1' and left_out or refused, key) end
  end
  at = at + 3 + tonumber(ARGV[at + 2])
end
if #refused > 0 then
  return redis.error_reply('UNWRITABLE ' .. table.concat(refused, ', '))
end
redis.call('HSET', KEYS[1], 'owner', ARGV[2])
at = 6 + tonumber(ARGV[5])
for i = 2, #KEYS do
  local maxlen, parts = ARGV[at], tonumber(ARGV[at + 2])
  local entry = {unpack(ARGV, at + 3, at + 2 + parts)}
  if takes_it[KEYS[i]] then
    if maxlen == '' then
      redis.call('XADD', KEYS[i], '*', unpack(entry))
    else
      redis.call('XADD', KEYS[i], 'MAXLEN', '~', maxlen, '*', unpack(entry))
    end
  end
  at = at + 3 + parts
end
redis.call('HSET', KEYS[1], 'commits', string.format('%d', kept + 1), unpack(ARGV, 6, 5 + tonumber(ARGV[5])))
return left_out
"""

# KEYS: the state hash. ARGV: the epoch held so far (0 at first), owner, number of the last acknowledged
# commit. Returns the epoch that was there (0 for none) and the whole hash with the new one. The commit after
# the acknowledged one may be stored: its reply was lost.
TAKE_OVER: Final = """
local found = redis.call('HMGET', KEYS[1], 'epoch', 'owner', 'commits')
local epoch, held = tonumber(found[1] or '0') or 0, tonumber(ARGV[1])
if held > 0 and epoch >= held and found[2] ~= ARGV[2] then
  return redis.error_reply('FENCED another instance has taken over')
end
if held > 0 and epoch >= held and tonumber(found[3] or '0') > tonumber(ARGV[3]) + 1 then
  return redis.error_reply('AHEAD commit ' .. found[3] .. ' is stored, our last was ' .. ARGV[3])
end
local next_epoch = string.format('%d', math.max(epoch, held) + 1)
redis.call('HSET', KEYS[1], 'epoch', next_epoch, 'owner', ARGV[2])
return {epoch, redis.call('HGETALL', KEYS[1])}
"""

# KEYS: streams. Returns the server's run id ("" where it tells none), then for each stream the id that was
# given last: "0-0" where there is no such key, "" where it is no stream. The entries themselves stay in
# Redis: one may be as large as its writer liked.
STANDING: Final = """
local told = redis.pcall('INFO', 'server')
local found = {type(told) == 'string' and string.match(told, 'run_id:(%x+)') or ''}
for i = 1, #KEYS do
  local kind, id = redis.call('TYPE', KEYS[i])['ok'], ''
  if kind == 'none' then
    id = '0-0'
  elseif kind == 'stream' then
    local info = redis.call('XINFO', 'STREAM', KEYS[i])
    for at = 1, #info - 1, 2 do
      if info[at] == 'last-generated-id' then id = info[at + 1] end
    end
  end
  found[i + 1] = id
end
return found
"""
