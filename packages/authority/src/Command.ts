import { Schema } from "effect"
import { Fault } from "./Fault.js"
import { LogEntry } from "./LogEntry.js"

/** What a test asks of the authorization server behind the scenes; the same in process and over HTTP. */
export const Command = Schema.Union(
  Schema.TaggedStruct("Log", {}),
  Schema.TaggedStruct("Clear", {}),
  Schema.TaggedStruct("Mint", { client: Schema.String, account: Schema.String, scope: Schema.String }),
  Schema.TaggedStruct("Revoke", { token: Schema.String }),
  Schema.TaggedStruct("RevokeGrant", { refreshToken: Schema.String }),
  Schema.TaggedStruct("Break", { fault: Fault, times: Schema.optional(Schema.Int) }),
  Schema.TaggedStruct("Heal", {}),
  Schema.TaggedStruct("Approve", { userCode: Schema.String, account: Schema.String }),
  Schema.TaggedStruct("Deny", { userCode: Schema.String })
)
export type Command = typeof Command.Type

/** What the server answers. */
export const Reply = Schema.Union(
  Schema.TaggedStruct("Done", { found: Schema.Boolean }),
  Schema.TaggedStruct("Entries", { entries: Schema.Array(LogEntry) }),
  Schema.TaggedStruct("Minted", {
    accessToken: Schema.String,
    refreshToken: Schema.String,
    expiresIn: Schema.Number,
    scope: Schema.String
  })
)
export type Reply = typeof Reply.Type

/** Where commands are posted. */
export const controlPath = "/control"
