// hallway in OpenCode: reports what happens in a session, and adds what is new to its agent's context.
const EDITS = new Set(["edit", "write", "patch", "apply_patch", "multiedit"])
const SHELL = "bash"

export const Hallway = async ({ client, directory }) => {
  const parents = new Map() // a subagent's session, and the one that it works for
  const begun = new Set() // the ids of sessions
  const waiting = new Map() // words for a session that no call has taken yet

  const idle = new Set() // the sessions whose turn is over
  const running = new Set() // those whose turn is not: OpenCode tells twice that an aborted turn is over
  const failed = new Map() // why a turn that is not over yet will end
  const answers = new Map() // the last text of a session's agent
  const titles = new Map()
  const warnings = new Map() // about calls that are about to run

  const failure = (error) => {
    const detail = error?.data?.message ?? ""
    if (error?.name === "MessageAbortedError") return { reason: "interrupted" }
    const limited = error?.data?.statusCode === 429 || /rate.?limit|quota/i.test(detail)
    return { reason: limited ? "limited" : "error", detail }
  }

  const owner = (id) => {
    let at = id
    for (let depth = 0; parents.has(at) && depth < 20; depth += 1) at = parents.get(at)
    return at
  }

  const report = async (kind, id, more = {}) => {
    const session = owner(id)
    const inner = session === id ? {} : { agent_id: id }
    if (kind !== "start" && kind !== "end" && !begun.has(session)) await begin(session)
    return runHook({ cwd: directory, hook_event_name: kind, session_id: session, name: titles.get(session), ...inner, ...more })
  }

  const begin = async (id) => {
    begun.add(id)
    const { text } = await runHook({ cwd: directory, hook_event_name: "start", session_id: id })
    if (text) waiting.set(id, text)
  }

  const wake = async (id, text) => {
    idle.delete(id)
    await client.session.promptAsync({ path: { id }, body: { parts: [{ type: "text", text }] } }).catch(() => {})
  }

  const timer = watchIdle(idle, (id) => report("news", id), wake)

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
      if (/^session\.(created|updated)$/.test(type) && properties.info?.title) titles.set(properties.info.id, properties.info.title)
      if (type === "session.created" && properties.info?.parentID) parents.set(properties.info.id, properties.info.parentID)
      else if (type === "session.deleted" && !parents.has(properties.info?.id)) await report("end", properties.info.id)
      else if (type === "permission.asked" || type === "permission.updated") {
        const what = [properties.permission ?? properties.type, (properties.patterns ?? []).join(" ")].filter(Boolean).join(": ")
        await report("asked", properties.sessionID, { reason: "permission", detail: what })
      } else if (type === "question.asked") {
        await report("asked", properties.sessionID, { reason: "question", questions: properties.questions })
      } else if (/^(permission|question)\.(replied|rejected)$/.test(type)) await report("answered", properties.sessionID)
      else if (type === "session.error" && properties.sessionID) failed.set(properties.sessionID, failure(properties.error))
      else if (type === "session.idle" && running.delete(properties.sessionID)) {
        const done = { reason: "done", detail: answers.get(properties.sessionID) ?? "" }
        const { prompt } = await report("stop", properties.sessionID, failed.get(properties.sessionID) ?? done)
        failed.delete(properties.sessionID)
        if (prompt) await wake(properties.sessionID, prompt)
        else idle.add(properties.sessionID)
      }
    },
    "chat.message": async (input, output) => {
      if (parents.has(input.sessionID)) return
      idle.delete(input.sessionID)
      running.add(input.sessionID)
      failed.delete(input.sessionID)
      answers.delete(input.sessionID)
      const prompt = output.parts.find((each) => each.type === "text" && !each.synthetic)?.text ?? ""
      const { text } = await report("prompt", input.sessionID, { prompt: prompt.replace(/^"([\s\S]*)"$/, "$1") })
      const words = [waiting.get(input.sessionID), text].filter(Boolean)
      waiting.delete(input.sessionID)
      for (const each of words) output.parts.push(part(output.message, input.sessionID, each))
    },
    "experimental.text.complete": async (input, output) => {
      if (output.text.trim()) answers.set(input.sessionID, output.text)
    },
    "tool.execute.before": async (input, output) => {
      if (!(EDITS.has(input.tool) || input.tool === SHELL) || areEditsFree(owner(input.sessionID))) return
      const { denied, text } = await report("edit", input.sessionID, { tool_name: input.tool, tool_input: output.args })
      if (denied) throw new Error(denied)
      if (text) warnings.set(input.callID, text)
    },
    "tool.execute.after": async (input, output) => {
      const session = owner(input.sessionID)
      const warning = warnings.get(input.callID)
      warnings.delete(input.callID)
      if (warning && typeof output.output === "string") output.output += `\n\n${warning}`
      if (!EDITS.has(input.tool) && !idle.has(session) && isQuiet(session)) return
      idle.delete(session)
      running.add(session)
      const { text } = await report("tool", input.sessionID, { tool_name: input.tool, tool_input: input.args })
      if (!text) return
      if (typeof output.output === "string") output.output += `\n\n${text}`
      else if (Array.isArray(output.content)) output.content.push({ type: "text", text })
    },
    dispose: async () => {
      clearInterval(timer)
      await Promise.all([...begun].map((id) => report("end", id, { reason: "exit" })))
    },
  }
}
