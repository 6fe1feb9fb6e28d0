// Preloaded into a server on Node: its time begins at DEPUTY_TEST_TIME (milliseconds since 1970), or at what the header
// x-test-time of the latest request that has one says, and goes on from there.
"use strict";
const http = require("node:http");

const Real = Date;
let shift = Number(process.env.DEPUTY_TEST_TIME) - Real.now();

globalThis.Date = class Date extends Real {
  constructor(...given) {
    super(...(given.length > 0 ? given : [Real.now() + shift]));
  }
  static now() {
    return Real.now() + shift;
  }
};

const emit = http.Server.prototype.emit;
http.Server.prototype.emit = function (event, request, ...rest) {
  const told = event === "request" ? request.headers["x-test-time"] : undefined;
  if (told !== undefined) {
    shift = Number(told) - Real.now();
  }
  return emit.call(this, event, request, ...rest);
};
