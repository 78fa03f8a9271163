-- GET of READ_PATH, in which {s} becomes one of SESSIONS sessions and {p} one of the projects of ten. The sessions are
-- FIRST, FIRST + STEP and so on.
local sessions = tonumber(os.getenv("SESSIONS") or "1000")
local first, step = tonumber(os.getenv("FIRST") or "0"), tonumber(os.getenv("STEP") or "1")
local path = os.getenv("READ_PATH")
math.randomseed(7)

function request()
  local s = first + step * math.random(0, sessions - 1)
  return wrk.format("GET", (path:gsub("{s}", "s" .. s):gsub("{p}", "github.com%%%%2Facme%%%%2Fp" .. math.floor(s / 10))))
end
