/**
 * Bounds on what a peer may send, in characters (octets) and counts. Requirements C-11, X-S3, X-S8, X-S16.
 */
export const limits = Object.freeze({
  startLine: 8 * 1024,
  uri: 4 * 1024,
  headerLine: 16 * 1024,
  headerFields: 256,
  fieldsOfOneKind: 100,
  vias: 70,
  routes: 20,
  contacts: 20,
  body: 64 * 1024,
  message: 128 * 1024,
});
