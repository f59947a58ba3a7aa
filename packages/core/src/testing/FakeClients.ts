import type { FakeHttpRequest } from "./FakeHttp.js"

/** The client of a request, as far as it says. */
export const clientOf = ({ headers }: FakeHttpRequest, form: URLSearchParams): string =>
  form.get("client_id") ?? basic(headers.authorization)[0] ?? ""

/** Whether a client is known, and has shown its secret or signed an assertion. */
export const isKnown = (
  clients: Readonly<Record<string, string | undefined>>,
  client: string,
  { headers }: FakeHttpRequest,
  form: URLSearchParams
): boolean => {
  if (!Object.hasOwn(clients, client)) return false
  const shown = form.get("client_secret") ?? basic(headers.authorization)[1]
  return form.has("client_assertion") || [shown, decoded(shown)].includes(clients[client])
}

/** Id and secret of a basic header, as they stand there. */
const basic = (header = ""): ReadonlyArray<string | undefined> => {
  const pair = /^Basic (.+)$/i.exec(header)?.[1]
  if (pair === undefined) return []
  const [id = "", ...rest] = new TextDecoder()
    .decode(Uint8Array.from(atob(pair), (char) => char.charCodeAt(0)))
    .split(":")
  return [decoded(id), rest.join(":")]
}

/** Without the form encoding that RFC 6749 section 2.3.1 asks for. */
const decoded = (text: string | undefined) =>
  text === undefined ? undefined : (new URLSearchParams(`it=${text}`).get("it") ?? undefined)
