import * as Predicate from "effect/Predicate"
import type { TokenClient } from "./TokenClient.js"

/** What of an instance of axios is used. */
export interface AxiosLike {
  request(config: object): Promise<unknown>
  getUri(config: object): string
  readonly interceptors: {
    readonly request: { use(before: unknown): unknown }
    readonly response: { use(after: undefined, failed: unknown): unknown }
  }
}

/**
 * Gives an instance of axios the tokens of `client`, for its declared origins and with any adapter, and sends a request
 * that was answered by 401 once more with a newer token. A stream is sent once only. Gives the instance back.
 */
export const axiosTokens = <Axios extends AxiosLike>(
  axios: Axios,
  client: Pick<TokenClient, "header" | "reject">
): Axios => {
  axios.interceptors.request.use(async (config: Config) => {
    const header = await client.header({ url: axios.getUri(config) })
    for (const [name, value] of Object.entries(header)) config.headers.set(name, value)
    return config
  })
  axios.interceptors.response.use(undefined, async (error: unknown) => {
    const { config, status } = refusedOf(error)
    const sent = config?.headers.get("authorization")
    if (status !== 401 || config === undefined || !Predicate.isString(sent)) throw error
    await client.reject(sent)
    if (config[AGAIN] === true || Predicate.hasProperty(config.data, "pipe")) throw error
    return axios.request({ ...config, [AGAIN]: true })
  })
  return axios
}

interface Config {
  readonly headers: { set(name: string, value: string): unknown; get(name: string): unknown }
  readonly data?: unknown
  readonly [AGAIN]?: boolean
}

/** Axios carries over what it does not know, but no symbols. */
const AGAIN = "evertokenAgain"

const refusedOf = (error: unknown): { readonly status?: unknown; readonly config?: Config | undefined } => {
  if (!Predicate.hasProperty(error, "response") || !Predicate.hasProperty(error, "config")) return {}
  const { config, response } = error
  return {
    status: Predicate.hasProperty(response, "status") ? response.status : undefined,
    config: isConfig(config) ? config : undefined
  }
}

const isConfig = (config: unknown): config is Config =>
  Predicate.hasProperty(config, "headers") && Predicate.hasProperty(config.headers, "get")
