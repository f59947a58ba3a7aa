import { orders } from "./sim/orders.js"

orders(1001, 2000)
