import { seeds } from "./sim/seeds.js"

seeds(301, 850)
