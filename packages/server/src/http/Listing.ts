import { BadRequest, type Connection, Connections } from "@evertoken/client/api"
import type { TokenStore } from "@evertoken/core"
import type { Listed, RowState } from "@evertoken/core/store"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { type Caller, may } from "../config/ApiKeys.js"
import { connectionOf } from "../observability/ConnectionHealth.js"
import type { makeCursors, Position } from "./Cursor.js"

/** What a caller asks of the list of connections. */
export interface ListQuery {
  readonly after?: string | undefined
  readonly limit?: number | undefined
  readonly health?: Connection["health"] | undefined
}

/**
 * Lists the connections that a caller may watch. The fixed beginnings of its patterns are ranges for the database, and
 * no request reads more than so many rows: it may find less than it was asked for, and go on by the cursor.
 */
export const makeListing = (store: TokenStore["Type"], cursors: ReturnType<typeof makeCursors>) =>
  Effect.fnUntraced(function* (caller: Caller, { after, health, limit = 100 }: ListQuery) {
    const prefixes = prefixesOf(caller.keys)
    const start: Option.Option<Position> =
      after === undefined
        ? Option.map(Option.fromNullable(prefixes[0]), (prefix) => ({ prefix, after: "" }))
        : Option.filter(cursors.read(caller.name, after), ({ prefix }) => prefixes.includes(prefix))
    if (Option.isNone(start)) {
      return yield* new BadRequest({ message: '"after" is no cursor of this list; start again without it' })
    }
    const now = yield* Clock.currentTimeMillis
    const found: Array<Connection> = []
    let at: Position | undefined = start.value
    for (let left = MOST_ROWS; at !== undefined && left > 0 && found.length < limit; left -= PAGE) {
      const { prefix }: Position = at
      const state = health === undefined ? undefined : STATES[health]
      const request = { after: at.after === "" ? undefined : at.after, limit: PAGE, prefix, state }
      const rows: ReadonlyArray<Listed> = yield* store.page(request)
      let taken = 0
      for (const row of rows) {
        if (found.length === limit) break
        taken++
        if (!may(caller, "watch", row.key)) continue
        const connection = connectionOf(row, now)
        if (health === undefined || connection.health === health) found.push(connection)
      }
      const last = rows[taken - 1]?.key
      const next = prefixes[prefixes.indexOf(prefix) + 1]
      const isOver = last === undefined || (taken === rows.length && rows.length < PAGE)
      at = !isOver ? { prefix, after: last } : next === undefined ? undefined : { prefix: next, after: "" }
      // Others get their turn: a database in this process answers without a pause.
      yield* Effect.yieldNow()
    }
    return new Connections({
      connections: found,
      next: at === undefined ? undefined : cursors.write(caller.name, at)
    })
  })

/** The fixed beginnings of the patterns, none of which begins with another. */
export const prefixesOf = (patterns: ReadonlyArray<string>): ReadonlyArray<string> => {
  const all = [...new Set(patterns.map((pattern) => pattern.split("*", 1)[0] ?? ""))].sort()
  return all.filter((prefix) => !all.some((other) => other !== prefix && prefix.startsWith(other)))
}

/** What of the health the database knows. The rest is in the payload: when the tokens end, and whether it can be read. */
const STATES: Readonly<Record<Connection["health"], RowState | undefined>> = {
  ok: "sound",
  idle: "sound",
  soon: "sound",
  failing: "failing",
  down: "failing",
  login: "dead",
  unreadable: undefined
}

const PAGE = 100
const MOST_ROWS = 1_000
