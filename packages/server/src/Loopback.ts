/** Whether a host is this machine, so that nobody listens on the way to it. */
export const isLoopback = (host: string): boolean => /^(?:127(?:\.\d{1,3}){3}|::1|\[::1\]|localhost)$/.test(host)
