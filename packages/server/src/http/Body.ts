import type { IncomingMessage } from "node:http"
import type * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import { BadRequest, BodyTimeout, TooLarge } from "@evertoken/client/api"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { meant } from "../config/Names.js"

/** The JSON body of a request, bounded in size, depth and time, and checked. Nothing of what was sent is repeated. */
export const body = Effect.fnUntraced(function* <A, I>(
  request: HttpServerRequest.HttpServerRequest,
  schema: Schema.Schema<A, I> & { readonly fields: Schema.Struct.Fields },
  aliases: Readonly<Record<string, string>> = {}
) {
  const bytes = yield* read(NodeHttpServerRequest.toIncomingMessage(request)).pipe(
    Effect.timeoutFail({
      duration: "10 seconds",
      onTimeout: () => new BodyTimeout({ message: "The body did not come within 10 seconds" })
    })
  )
  const json = yield* Effect.try({ try: () => parse(bytes), catch: () => bad("it is not JSON in UTF-8") })
  if (!Predicate.isRecord(json)) return yield* bad("it is not a JSON object")
  if (isDeep(json)) return yield* bad(`it is nested deeper than ${DEEPEST} levels`)
  const known = Object.keys(schema.fields)
  const fields: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(json)) {
    const field = Object.hasOwn(aliases, name) ? (aliases[name] ?? name) : name
    if (!known.includes(field)) return yield* bad(`it has a field that is not known: ${meant(name, known)}`)
    if (Object.hasOwn(fields, field)) return yield* bad(`"${field}" is given twice`)
    fields[field] = value
  }
  const decoded = Schema.decodeUnknownEither(schema)(fields)
  if (Either.isRight(decoded)) return decoded.right
  const [issue] = ParseResult.ArrayFormatter.formatErrorSync(decoded.left)
  return yield* bad(`"${known.find((name) => name === issue?.path[0])}" is missing or not what it should be`)
})

const bad = (what: string) => new BadRequest({ message: `The body is not what /docs describes: ${what}` })

/** Reads on beyond the bound for a while, so that the refusal reaches whoever is still sending. */
const read = (source: IncomingMessage): Effect.Effect<Buffer, TooLarge> =>
  Effect.async((resume) => {
    const tooLarge = new TooLarge({ message: `The body is larger than ${LARGEST} bytes` })
    if (Number(source.headers["content-length"] ?? 0) > LARGEST) return resume(tooLarge)
    const chunks: Array<Buffer> = []
    let size = 0
    const take = (chunk: Buffer) => {
      size += chunk.length
      if (size <= LARGEST) chunks.push(chunk)
      else resume(tooLarge)
    }
    const end = () => resume(Effect.succeed(Buffer.concat(chunks)))
    source.on("data", take).once("end", end)
    return Effect.sync(() => source.off("data", take).off("end", end))
  })

// Text that is not UTF-8 could stand for more than one key.
const parse = (bytes: Buffer): unknown => JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes))

const isDeep = (json: unknown): boolean => {
  let level: ReadonlyArray<unknown> = [json]
  for (let depth = 0; depth <= DEEPEST; depth++) {
    level = level.flatMap((value) => (Predicate.isObject(value) ? Object.values(value) : []))
    if (level.length === 0) return false
  }
  return true
}

const LARGEST = 65_536
const DEEPEST = 32
