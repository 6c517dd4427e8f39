// Reads one simulation a line and answers with one line: what is decided about each of its requests.
const policies = require("@cloud-copilot/iam-policy");

// runUnsafeSimulation loads the policy of a resource without a name, and then asks for it.
const { loadPolicy } = policies;
Object.defineProperty(policies, "loadPolicy", {
  get: () => (document, metadata) => loadPolicy(document, metadata ?? { name: "resource" }),
});
const { runUnsafeSimulation } = require("@cloud-copilot/iam-simulate");

const lines = require("readline").createInterface({ input: process.stdin });
lines.on("line", (line) => {
  const { requests, ...simulation } = JSON.parse(line);
  console.log(JSON.stringify(requests.map((request) => runUnsafeSimulation({ ...simulation, request }, {}))));
});
