import { KafkaJS } from "@confluentinc/kafka-javascript"
import { Redacted } from "@evertoken/core"
import { broker, kafkaSide } from "../harness/kafka.js"
import { plug } from "../harness/plug.js"
import { client } from "./tokens.js"

const oauthBearerProvider = async () => {
  const { expiresAt = Date.now() + 300_000, value } = await client.get()
  return { value: Redacted.value(value), principal: "app", lifetime: expiresAt }
}
/** That a broker refused the token stands in librdkafka's log, and nowhere else. */
const error = (message: string) => {
  if (message.includes("SASL authentication error")) client.reject().catch(console.error)
}
const quiet = () => {}
const logger: KafkaJS.Logger = {
  ...{ error, warn: quiet, info: quiet, debug: quiet, setLogLevel: quiet },
  namespace: () => logger
}
const kafka = new KafkaJS.Kafka({
  kafkaJS: {
    ...{ brokers: [broker], logger },
    ssl: false, // true for a broker elsewhere
    sasl: { mechanism: "oauthbearer", oauthBearerProvider }
  }
})

export default plug({
  call: async () => {
    const admin = kafka.admin()
    await admin.connect()
    try {
      return await admin.listTopics()
    } finally {
      await admin.disconnect()
    }
  },
  gives: ["invoices"],
  refusal: "next",
  ...kafkaSide
})
