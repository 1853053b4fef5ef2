// The peer: probot's own webhook receiver, with a handler that does nothing.
import { generateKeyPairSync } from "node:crypto";
import { createServer } from "node:http";
import { Probot, createNodeMiddleware } from "probot";

const { privateKey } = generateKeyPairSync("rsa", {
  modulusLength: 2048,
  privateKeyEncoding: { type: "pkcs1", format: "pem" },
  publicKeyEncoding: { type: "spki", format: "pem" },
});
const probot = new Probot({ appId: 1, privateKey, secret: process.env.WEBHOOK_SECRET, logLevel: "fatal" });
const handle = (app) => app.on("pull_request", () => {});
const receive = await createNodeMiddleware(handle, { probot, webhooksPath: "/webhooks/github" });

createServer((request, response) => {
  receive(request, response, () => response.writeHead(404).end());
}).listen(Number(process.env.PORT), "127.0.0.1");
