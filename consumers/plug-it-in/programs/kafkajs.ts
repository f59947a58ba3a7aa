import { kafkaTokens } from "@evertoken/core/adapters"
import { Kafka } from "kafkajs"
import { broker, kafkaSide, renewals } from "../harness/kafka.js"
import { plug } from "../harness/plug.js"
import { client } from "./tokens.js"

const kafka = new Kafka({
  brokers: [broker],
  ssl: false, // true for a broker elsewhere
  sasl: { mechanism: "oauthbearer", authenticationProvider: kafkaTokens(client, Buffer) }
})

const admin = kafka.admin()

export default plug({
  call: async () => {
    await admin.connect()
    return admin.listTopics()
  },
  gives: ["invoices"],
  refusal: "repaired",
  start: kafkaSide.start,
  stop: async () => {
    await admin.disconnect()
    await kafkaSide.stop()
    if (renewals.count === 0) throw new Error("no open connection logged in again with a newer token")
  }
})
