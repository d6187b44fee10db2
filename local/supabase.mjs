// The embedded Supabase: Supabase Lite on PGlite, one Node process, reached over loopback HTTP.
//
// local/supabase.py starts this file and talks to it over two pipes that no other process can open:
//   stdin   line 1: the configuration {port, dataDir, migrationsDir, jwtSecret, publishableKey, siteUrl,
//           confirmEmail, mailFile, replyFd}
//           then one request per line {sql, parameters}, run as the database's superuser
//   replyFd line 1: {port} once it answers, or {fatal} and exit 1
//           then one reply per request {rows} or {error: {code, message}}
// When stdin ends, the parent has ended: the server closes its database and exits.
import { writeSync } from "node:fs";
import { appendFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { serve } from "@hono/node-server";
import { App } from "@supabase/lite";
import { openDatabase } from "./database.mjs";

// The HTTP routes of Lite that we need. Its introspection and studio routes are not reachable.
const SERVED = /^\/(auth|rest)\/v1(\/|$)/;
const DRAIN_MS = 1000;

// PGlite has one connection. Lite opens a transaction per request on it but does not lock out other requests, so a
// request could run with the role of another one. This queue therefore runs all database work one item at a time.
let queueEnd = Promise.resolve();
function enqueue(work) {
  const turn = queueEnd.then(work);
  queueEnd = turn.catch(() => {});
  return turn;
}

// Appends each e-mail to a file as one line of JSON, in place of sending it.
class FileMailer {
  constructor(path) {
    this.path = path;
  }

  async send({ to, subject, html }) {
    await appendFile(this.path, `${JSON.stringify({ to, subject, html })}\n`, { mode: 0o600 });
  }
}

// The e-mails contain a link to the desk. docs/deployment.md shows the same templates for a hosted project.
const template = (name, subject) => ({ subject, content_path: fileURLToPath(new URL(`mails/${name}.html`, import.meta.url)) });

function createApp(connection, { jwtSecret, publishableKey, siteUrl, confirmEmail, mailFile }) {
  return new App({
    connection,
    auth: {
      enabled: true,
      jwt_secret: jwtSecret,
      publishable_key: publishableKey,
      site_url: siteUrl,
      email: {
        enable_confirmations: confirmEmail,
        max_frequency: "0s",
        template: {
          confirmation: template("confirmation", "Confirm your e-mail address"),
          recovery: template("recovery", "Choose a new password"),
          email_change: template("email_change", "Confirm your new e-mail address"),
        },
      },
    },
    api: { enabled: true, schemas: ["public"] },
    storage: { enabled: false },
    options: { server: { admin: false, disableStudio: true }, drivers: { email: new FileMailer(mailFile) } },
  });
}

// Hosted Supabase ends the user's other sessions when the password changes. Lite does not, so we do it here.
async function answerLikeHosted(app, request, context) {
  const { pathname } = new URL(request.url);
  const isChange = request.method === "PUT" && pathname === "/auth/v1/user";
  const change = isChange ? await request.clone().json().catch(() => null) : null;
  const response = await app.fetch(request, context);
  if (response.ok && change?.password !== undefined) {
    const headers = { apikey: request.headers.get("apikey"), Authorization: request.headers.get("Authorization") };
    const others = new URL("/auth/v1/logout?scope=others", request.url);
    await app.fetch(new Request(others, { method: "POST", headers }), context);
  }
  return response;
}

function listen(app, port) {
  const answer = (request, { incoming }) => {
    if (!SERVED.test(new URL(request.url).pathname)) return new Response(null, { status: 404 });
    return enqueue(() => answerLikeHosted(app, request, { peerAddress: incoming.socket.remoteAddress ?? null }));
  };
  return new Promise((resolve, reject) => {
    const server = serve({ fetch: answer, hostname: "127.0.0.1", port }, () => resolve(server));
    server.once("error", reject);
  });
}

async function runSql(database, { sql, parameters }) {
  try {
    // PGlite accepts several statements in one call only without parameters.
    const results = parameters.length ? [await database.query(sql, parameters)] : await database.exec(sql);
    return { rows: results.at(-1)?.rows ?? [] };
  } catch (error) {
    return { error: { code: error.code ?? "", message: error.message } };
  }
}

async function main(lines, config, send) {
  const connection = await openDatabase(config);
  const app = createApp(connection, config);
  await app.init();
  const server = await listen(app, config.port);

  let stopping = false;
  const stop = () => {
    if (stopping) return;
    stopping = true;
    server.close(() => enqueue(() => connection.close()).finally(() => process.exit(0)));
    server.closeIdleConnections();
    setTimeout(() => server.closeAllConnections(), DRAIN_MS).unref();
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);

  send({ port: server.address().port });
  for await (const line of lines) {
    send(await enqueue(() => runSql(connection.driver, JSON.parse(line))));
  }
  stop();
}

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const config = JSON.parse((await lines.next()).value);
const send = (message) => {
  const text = JSON.stringify(message, (_key, value) => (typeof value === "bigint" ? value.toString() : value));
  try {
    writeSync(config.replyFd, `${text}\n`);
  } catch (error) {
    if (error.code !== "EPIPE") throw error; // the parent has ended; the end of stdin stops this server
  }
};
try {
  await main(lines, config, send);
} catch (error) {
  console.error(error);
  send({ fatal: error.message });
  process.exit(1);
}
