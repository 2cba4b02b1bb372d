"""What Redis does in one step: scripts over the keys of one session.

All keys of a session share a hash tag, so that a script finds them on one node of a cluster. Each script
looks before it writes, and only `CREATE` makes a record: nothing else can bring back what has ended.

The keys come in this order: hot, clocks, rest, user, about, refresh, lease.
"""

import hashlib
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Script:
    text: str
    sha: str = field(init=False)

    def __post_init__(self) -> None:
        digest = hashlib.sha1(self.text.encode(), usedforsecurity=False)
        object.__setattr__(self, "sha", digest.hexdigest())


# ARGV: hot, clocks, rest, user, about, milliseconds to live.
CREATE = Script(
    """
    for index = 1, 5 do
        redis.call('SET', KEYS[index], ARGV[index], 'PX', ARGV[6])
    end
    """
)

# ARGV: user.
SAVE_USER = Script(
    """
    if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
    redis.call('SET', KEYS[4], ARGV[1], 'KEEPTTL')
    return 1
    """
)

# ARGV: lease, hot, rest. A lease that ran out during an outage still counts until a later one was given.
# Sealed tokens are never twice the same bytes: if just these are there already, this is a repetition of a
# call that had come through, and not a holder that was overtaken.
SAVE_TOKENS = Script(
    """
    if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
    local lease = redis.call('GET', KEYS[7])
    local is_latest = not lease and redis.call('HGET', KEYS[6], 'fence') == string.match(ARGV[1], '^%d+')
    if lease ~= ARGV[1] and not is_latest then
        if redis.call('GET', KEYS[1]) == ARGV[2] and redis.call('GET', KEYS[3]) == ARGV[3] then return 1 end
        return 0
    end
    redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
    redis.call('SET', KEYS[3], ARGV[3], 'KEEPTTL')
    redis.call('DEL', KEYS[7])
    redis.call('HDEL', KEYS[6], 'sent')
    return 1
    """
)

# ARGV: active at, idle time, now; all in microseconds, which a number of Lua holds exactly until 2255.
MARK_ACTIVE = Script(
    """
    local clocks = redis.call('GET', KEYS[2])
    if not clocks then return 0 end
    local active, expires = string.match(clocks, '^(%d+) (%d+)$')
    if tonumber(ARGV[1]) <= tonumber(active) then return 0 end
    redis.call('SET', KEYS[2], ARGV[1] .. ' ' .. expires, 'KEEPTTL')
    local ends = math.min(tonumber(ARGV[1]) + tonumber(ARGV[2]), tonumber(expires))
    local left = math.max(1, math.ceil((ends - tonumber(ARGV[3])) / 1000))
    for index = 1, 6 do
        redis.call('PEXPIRE', KEYS[index], left)
    end
    return 1
    """
)

# ARGV: channel, session key. Answers who it belonged to, or nothing when it was gone.
DELETE = Script(
    """
    local about = redis.call('GET', KEYS[5])
    local was_there = redis.call('EXISTS', KEYS[1])
    redis.call('DEL', unpack(KEYS))
    if was_there == 0 then return false end
    redis.call('PUBLISH', ARGV[1], ARGV[2])
    return about or ''
    """
)

# ARGV: holder, milliseconds. Answers the fence and whether an earlier holder had sent and never said more.
TAKE_LEASE = Script(
    """
    local left = redis.call('PTTL', KEYS[1])
    if left < 0 or redis.call('EXISTS', KEYS[7]) == 1 then return false end
    local fence = redis.call('HINCRBY', KEYS[6], 'fence', 1)
    redis.call('PEXPIRE', KEYS[6], left)
    redis.call('SET', KEYS[7], fence .. ' ' .. ARGV[1], 'PX', ARGV[2])
    return {fence, redis.call('HEXISTS', KEYS[6], 'sent')}
    """
)

# ARGV: lease, milliseconds.
RENEW_LEASE = Script(
    """
    if redis.call('GET', KEYS[7]) ~= ARGV[1] then return 0 end
    return redis.call('PEXPIRE', KEYS[7], ARGV[2])
    """
)

# ARGV: lease.
MARK_SENT = Script(
    """
    if redis.call('GET', KEYS[7]) ~= ARGV[1] then return 0 end
    redis.call('HSET', KEYS[6], 'sent', 1)
    return 1
    """
)

# ARGV: lease, whether it was answered.
RELEASE_LEASE = Script(
    """
    if redis.call('GET', KEYS[7]) ~= ARGV[1] then return 0 end
    redis.call('DEL', KEYS[7])
    if ARGV[2] == '1' then redis.call('HDEL', KEYS[6], 'sent') end
    return 1
    """
)

# Over the one key of an owner's index. ARGV: entry, when its session ends, now; in milliseconds.
ADD_TO_INDEX = Script(
    """
    redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
    redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[3])
    local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')
    if last[2] then redis.call('PEXPIRE', KEYS[1], math.max(1, math.ceil(last[2] - ARGV[3]))) end
    """
)
