import { orders } from "./sim/orders.js"

orders(1, 1000)
