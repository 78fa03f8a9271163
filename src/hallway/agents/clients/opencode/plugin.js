// hallway in OpenCode: tells the bus what happens in a session, and puts what is new there before its agent.
// Written by `hallway install`; `hallway uninstall` takes it away. While nothing is due it looks at the time of one file
// and starts nothing. A hook that fails is a hook that had nothing to say.
import { spawn } from "node:child_process"
import { statSync } from "node:fs"
import { join } from "node:path"

const HALLWAY = "HALLWAY"
const LIMIT_MS = 5000
const LOOK_EVERY_MS = 1000 // at the file's time, while a session idles
const EDITS = new Set(["edit", "write", "patch", "multiedit"])

export const Hallway = async ({ client, directory }) => {
  const parents = new Map() // a subagent's session, and the one that it works for
  const told = new Set() // the sessions that have begun
  const waiting = new Map() // words for a session that no call has taken yet

  const idle = new Set() // the sessions whose turn is over
  const retryAt = new Map() // when to ask again for a session that may not be woken yet
  let count = 0

  const timeOf = (id) => {
    try {
      return HALLWAY.quiet === null ? NaN : statSync(join(HALLWAY.quiet, id)).mtimeMs
    } catch {
      return NaN
    }
  }

  const isQuiet = (id) => !idle.has(id) && timeOf(id) > Date.now()
  const isRoused = (id) => timeOf(id) < 1000 // somebody has put it into the past, as far as it goes

  const run = (payload) =>
    new Promise((resolve) => {
      try {
        const hook = spawn(HALLWAY.command[0], HALLWAY.command.slice(1), { stdio: ["pipe", "pipe", "ignore"] })
        const late = setTimeout(() => hook.kill("SIGKILL"), LIMIT_MS)
        let said = ""
        hook.stdout.on("data", (part) => (said += part))
        hook.stdin.on("error", () => {})
        hook.on("error", () => resolve({}))
        hook.on("close", () => {
          clearTimeout(late)
          try {
            resolve(said ? JSON.parse(said) : {})
          } catch {
            resolve({})
          }
        })
        count += 1 // the same thing told twice is two things
        hook.stdin.end(JSON.stringify({ cwd: directory, count, ...payload }))
      } catch {
        resolve({})
      }
    })

  const owner = (id) => {
    let at = id
    for (let depth = 0; parents.has(at) && depth < 20; depth += 1) at = parents.get(at)
    return at
  }

  const tell = async (kind, id, more = {}) => {
    const session = owner(id)
    const inner = session === id ? {} : { agent_id: id }
    if (kind !== "start" && kind !== "end" && !told.has(session)) await begin(session)
    return run({ hook_event_name: kind, session_id: session, ...inner, ...more })
  }

  const begin = async (id) => {
    told.add(id)
    const { text } = await run({ hook_event_name: "start", session_id: id })
    if (text) waiting.set(id, text)
  }

  const wake = async (id, text) => {
    idle.delete(id)
    await client.session.promptAsync({ path: { id }, body: { parts: [{ type: "text", text }] } }).catch(() => {})
  }

  const look = async () => {
    for (const id of idle) {
      if (!isRoused(id) && !(retryAt.get(id) <= Date.now())) continue
      retryAt.delete(id)
      const { prompt, retry_after_s } = await tell("news", id)
      if (retry_after_s) retryAt.set(id, Date.now() + retry_after_s * 1000)
      if (prompt && idle.has(id)) await wake(id, prompt)
    }
  }

  let isLooking = false
  const looking = setInterval(async () => {
    if (isLooking) return
    isLooking = true
    await look().catch(() => {})
    isLooking = false
  }, LOOK_EVERY_MS)
  looking.unref?.()

  const part = (message, sessionID, text) => ({
    id: `prt_${Date.now().toString(16)}${Math.random().toString(16).slice(2, 12)}`,
    messageID: message.id,
    sessionID,
    type: "text",
    synthetic: true,
    text,
  })

  return {
    event: async ({ event }) => {
      const { type, properties } = event
      if (type === "session.created" && properties.info?.parentID) parents.set(properties.info.id, properties.info.parentID)
      else if (type === "session.deleted" && !parents.has(properties.info?.id)) await tell("end", properties.info.id)
      else if (type === "permission.asked" || type === "permission.updated") await tell("asked", properties.sessionID)
      else if (type === "session.idle" && !parents.has(properties.sessionID)) {
        const { prompt } = await tell("stop", properties.sessionID)
        if (prompt) await wake(properties.sessionID, prompt)
        else idle.add(properties.sessionID)
      }
    },
    "chat.message": async (input, output) => {
      if (parents.has(input.sessionID)) return
      idle.delete(input.sessionID)
      const prompt = output.parts.find((each) => each.type === "text" && !each.synthetic)?.text ?? ""
      const { text } = await tell("prompt", input.sessionID, { prompt: prompt.replace(/^"([\s\S]*)"$/, "$1") })
      const words = [waiting.get(input.sessionID), text].filter(Boolean)
      waiting.delete(input.sessionID)
      for (const each of words) output.parts.push(part(output.message, input.sessionID, each))
    },
    "tool.execute.after": async (input, output) => {
      if (!EDITS.has(input.tool) && isQuiet(owner(input.sessionID))) return
      idle.delete(owner(input.sessionID))
      const { text } = await tell("tool", input.sessionID, { tool_name: input.tool, tool_input: input.args })
      if (!text) return
      if (typeof output.output === "string") output.output += `\n\n${text}`
      else if (Array.isArray(output.content)) output.content.push({ type: "text", text })
    },
    dispose: async () => {
      clearInterval(looking)
      await Promise.all([...told].map((id) => tell("end", id, { reason: "exit" })))
    },
  }
}
