import { orders } from "./sim/orders.js"

orders(501, 2000)
