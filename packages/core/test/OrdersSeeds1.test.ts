import { orders } from "./sim/orders.js"

orders(1, 500)
