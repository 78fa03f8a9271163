-- GET of READ_PATH, in which {s} becomes one of SESSIONS sessions and {p} one of the projects of ten.
local sessions = tonumber(os.getenv("SESSIONS") or "1000")
local path = os.getenv("READ_PATH")
math.randomseed(7)

function request()
  local s = math.random(0, sessions - 1)
  return wrk.format("GET", (path:gsub("{s}", "s" .. s):gsub("{p}", "github.com%%%%2Facme%%%%2Fp" .. math.floor(s / 10))))
end
