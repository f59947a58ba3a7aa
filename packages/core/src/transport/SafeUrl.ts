import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import { type Check, kind } from "../model/Options.js"

/** `value` as a URL that secrets may go to: `https`, or `http` on the loopback, without credentials in it. */
export const safeUrl = (value: unknown): Option.Option<URL> =>
  Option.filter(
    Predicate.isString(value) ? parse(value) : Option.none(),
    ({ hostname, password, protocol, username }) =>
      username === "" && password === "" && (protocol === "https:" || (protocol === "http:" && isLoopback(hostname)))
  )

/** What secrets may be sent to. */
export const endpoint: Check = kind("an https URL without credentials in it (http on the loopback only)", (value) =>
  Option.isSome(safeUrl(value))
)

/** A pattern of hosts: one that hosts of just anybody match is none. */
export const hostPattern = kind(
  "a regular expression that the hosts of the API match and others do not, such as /[a-z0-9-]+\\.example\\.com/",
  (value) =>
    Predicate.isRegExp(value) && OTHERS.filter((host) => isHostOf(value, new URL(`https://${host}`))).length < 2
)

/** Whether the whole host of a URL, with its port, matches; and whether secrets may go there at all. */
export const isHostOf = (hosts: RegExp, url: URL): boolean =>
  Option.isSome(safeUrl(url.href)) &&
  new RegExp(`^(?:${hosts.source})$`, hosts.flags.replace(/[gy]/g, "")).test(url.host)

const OTHERS = ["evil.com", "other.com", "other.net", "evil.example.org", "a.invalid", "192.0.2.1"]

/** Whether a host, as a URL or an address has it, is this machine, so that nobody listens on the way to it. */
export const isLoopback = (host: string): boolean =>
  /^(?:(?:.+\.)?localhost|127(?:\.\d{1,3}){3}|::1|\[::1\])$/.test(host)

const parse = Option.liftThrowable((value: string) => new URL(value))
