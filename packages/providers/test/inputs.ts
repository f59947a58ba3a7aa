import type { ProfileInputs, ProviderProfile } from "@evertoken/core/profile"
import { Redacted } from "effect"
import type { Recorded } from "./Recorded.js"

/** A private key as PKCS#8 PEM. */
export const privateKey = async (): Promise<string> => {
  const algorithm = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256", modulusLength: 2048, publicExponent: EXPONENT }
  const pair = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"])
  const bytes = Buffer.from(await crypto.subtle.exportKey("pkcs8", pair.privateKey))
  return `-----BEGIN PRIVATE KEY-----\n${bytes.toString("base64")}\n-----END PRIVATE KEY-----`
}
const EXPONENT = new Uint8Array([1, 0, 1])

/** What a program gives beside `profile`: just what it needs, since anything else is refused. */
export const inputsOf = (profile: ProviderProfile, { tenant }: Recorded, key: string): ProfileInputs => {
  const names = new Set([...JSON.stringify(profile).matchAll(/\{(\w+)\}/g)].map(([, name]) => name))
  const { client, grants, secrets = [] } = profile
  const isSigned = grants[0] === "jwt_bearer"
  return {
    ...(tenant === undefined ? {} : { tenant }),
    ...((client !== undefined && !isSigned) || names.has("clientId") ? { clientId: "app" } : {}),
    ...((client !== undefined && client.authentication !== "none") || names.has("clientSecret")
      ? { clientSecret: Redacted.make("client-secret") }
      : {}),
    ...(secrets.length === 0 ? {} : { secrets: Object.fromEntries(secrets.map((name) => [name, Redacted.make(key)])) }),
    ...(isSigned ? { issuedBy: "robot@example.com", signingKey: { key: Redacted.make(key) } } : {})
  }
}
