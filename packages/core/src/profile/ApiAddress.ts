import type * as Schema from "effect/Schema"
import { endpoint, hostPattern } from "../transport/SafeUrl.js"
import { issue, namedBy } from "./ProfileIssue.js"
import { namesIn, plainText } from "./ProfileText.js"
import type { ProfileFields } from "./ProviderProfile.js"

/** The fields of an answer that the address of the API is made of. */
export const keptIn = ({ answer, api }: Pick<ProfileFields, "answer" | "api">): ReadonlyArray<string> =>
  namesIn(api?.url).filter((name) => answer?.keep?.includes(name) === true)

/** What is wrong with how a profile's API is asked. */
export const apiProblems = (profile: ProfileFields): ReadonlyArray<Schema.FilterIssue> => {
  const { answer, api = {}, tenant = {} } = profile
  const { header, hosts, query, scheme, url } = api
  const found: Array<Schema.FilterIssue> = []
  const own = Object.keys(tenant)
  const kept = keptIn(profile)
  const names = [...own, ...(answer?.keep ?? [])]
  for (const name of namesIn(url)) {
    if (!names.includes(name)) found.push(issue(["api", "url"], namedBy(name, names)))
    if (own.includes(name) && kept.includes(name)) found.push(issue(["api", "url"], `one meaning for "${name}"`))
  }
  const [first] = kept
  const whole = first !== undefined && url?.startsWith(`{${first}}`) === true
  const sample = Object.fromEntries(names.map((name) => [name, whole && name === first ? "https://x.example" : "x"]))
  const problem = endpoint(url && plainText(url, sample), "url")
  if (problem !== undefined) found.push(issue(["api", "url"], problem.expected))
  if ((hosts === undefined) !== (kept.length === 0)) {
    found.push(
      issue(
        ["api", "hosts"],
        hosts === undefined
          ? "a pattern of hosts: the address comes with the token"
          : "a field of `answer.keep` in `url`: without, it has no effect"
      )
    )
  }
  const open = hosts && hostPattern(new RegExp(hosts), "hosts")
  if (open) found.push(issue(["api", "hosts"], open.expected))
  for (const [name, value] of [
    ["header", header],
    ["scheme", scheme]
  ] as const) {
    if (query !== undefined && value !== undefined) {
      found.push(issue(["api", name], "no `query` beside it, which carries the token in its place"))
    }
  }
  return found
}
