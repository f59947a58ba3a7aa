/** Text of the server's, fit for an error: without the request's secrets or anything like a token, on one line, bounded. */
export const clean = (text: string, secrets: ReadonlyArray<string>, most: number): string => {
  let safe = text.slice(0, 1000)
  for (const secret of secrets) if (secret !== "") safe = safe.split(secret).join("***")
  return safe
    .replace(/(?=[\w.~+/=%-]*\d)[\w.~+/=%-]{16,}/g, "***")
    .replace(/(?:\p{C}|\s)+/gu, " ")
    .trim()
    .slice(0, most)
}
