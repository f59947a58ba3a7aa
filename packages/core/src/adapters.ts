/** Tokens for libraries whose hook takes more than a line: `@evertoken/core/adapters`. None of them is imported here. */
export { axiosTokens } from "./promise/AxiosTokens.js"
export { gotTokens } from "./promise/GotTokens.js"
export { kafkaTokens } from "./promise/KafkaTokens.js"
export { redisCredentials } from "./promise/RedisCredentials.js"
export { tokenCredential } from "./promise/TokenCredential.js"
