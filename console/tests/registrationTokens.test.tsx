import { screen, waitFor, within } from "@testing-library/react";
import { expect, test } from "vitest";
import { refused } from "./fakes/api";
import { FakeServer, json } from "./fakes/server";
import { aDevice, at, aToken } from "./fakes/things";
import { openConsole } from "./openConsole";

const PATH = "/api/v1/registration-tokens";

async function opened(server: FakeServer) {
  const console = openConsole(server, "/registration-tokens");
  await screen.findByRole("heading", { name: "Registration tokens of Observatory" });
  return console;
}

/** With the form open. */
async function creating(server = new FakeServer()) {
  const console = await opened(server);
  await console.person.click(screen.getByRole("button", { name: "New token" }));
  const form = within(screen.getByRole("dialog", { name: "New registration token" }));
  return { ...console, server, form };
}

function withRole(role: string): FakeServer {
  return Object.assign(new FakeServer(), { tenants: [{ id: "t-1", name: "Observatory", kind: "private", role }] });
}

function tokens(server: FakeServer, ...things: ReturnType<typeof aToken>[]): FakeServer {
  server.api.tokens = things;
  return server;
}

test("each token shows its label, state, uses and times", async () => {
  const token = aToken("rgt_1", { label: "CI", uses: 2, max_uses: 5, expires_at: at(7_200), created_at: at(-86_400) });
  await opened(tokens(new FakeServer(), token));

  const row = await screen.findByRole("article", { name: "CI" });

  expect(row).toHaveTextContent("active");
  expect(row).toHaveTextContent("Uses2 of 5");
  expect(row).toHaveTextContent("Expiresin 2 h");
  expect(row).toHaveTextContent("Created1 d ago by you");
});

test("a label that would turn the text around is shown as what it is", async () => {
  await opened(tokens(new FakeServer(), aToken("rgt_1", { label: "a\u202egpj\n<script>" })));

  expect(await screen.findByRole("heading", { name: "a\\u{202e}gpj\\u{a}<script>" })).toBeInTheDocument();
});

test("long lists come page by page, and each token once", async () => {
  const server = tokens(new FakeServer(), aToken("rgt_1"), aToken("rgt_2"), aToken("rgt_3"));
  server.api.pageSize = 2;
  const { person } = await opened(server);
  await screen.findByRole("article", { name: "Label of rgt_2" });
  server.api.tokens = [aToken("rgt_0"), ...server.api.tokens];

  await person.click(screen.getByRole("button", { name: "Show more" }));

  expect(await screen.findByRole("article", { name: "Label of rgt_3" })).toBeInTheDocument();
  expect(screen.getAllByRole("article")).toHaveLength(3);
  expect(screen.queryByRole("button", { name: "Show more" })).not.toBeInTheDocument();
});

test("who has none is told the next step", async () => {
  const { person } = await opened(new FakeServer());

  await person.click(await screen.findByRole("button", { name: "Make the first one" }));

  expect(screen.getByRole("dialog", { name: "New registration token" })).toBeInTheDocument();
});

test("who may not make tokens is not offered to", async () => {
  await opened(tokens(withRole("viewer"), aToken("rgt_1")));
  await screen.findByRole("article", { name: "Label of rgt_1" });

  expect(screen.queryByRole("button", { name: "New token" })).not.toBeInTheDocument();
  expect(screen.queryByRole("button", { name: /^Revoke/ })).not.toBeInTheDocument();
});

test("a new token is for one device and a week, unless the user wants otherwise", async () => {
  const { person, server, form } = await creating();

  await person.type(form.getByRole("textbox", { name: "Label" }), "Gate");
  await person.click(form.getByRole("button", { name: "Create token" }));
  await screen.findByRole("dialog", { name: "The token of Gate" });

  const [write] = server.writes;
  expect(write?.body).toEqual({ tenant_id: "t-1", label: "Gate", max_uses: 1, expires_at: at(7 * 86_400) });
  expect(write?.headers.get("X-CSRF")).toBe("1");
});

test("all that the form offers is sent", async () => {
  const { person, server, form } = await creating();

  await person.type(form.getByRole("textbox", { name: "Label" }), "CI");
  await person.click(form.getByRole("radio", { name: "A number of devices" }));
  await person.clear(form.getByRole("spinbutton", { name: "At most" }));
  await person.type(form.getByRole("spinbutton", { name: "At most" }), "25");
  await person.selectOptions(form.getByRole("combobox", { name: "Expires after" }), "1 day");
  await person.selectOptions(form.getByRole("combobox", { name: "Silent devices leave after" }), "1 hour");
  await person.type(form.getByRole("textbox", { name: "Taints" }), "ci, linux ci");
  await person.click(form.getByRole("checkbox", { name: /Pre-approved/ }));
  await person.click(form.getByRole("button", { name: "Create token" }));
  await screen.findByRole("dialog", { name: "The token of CI" });

  expect(server.writes[0]?.body).toEqual({
    tenant_id: "t-1",
    label: "CI",
    max_uses: 25,
    expires_at: at(86_400),
    ephemeral_s: 3_600,
    taints: ["ci", "linux"],
    pre_approved: true,
  });
});

test("members are not offered what only an admin may give beforehand", async () => {
  const { form } = await creating(withRole("member"));

  expect(form.queryByRole("textbox", { name: "Taints" })).not.toBeInTheDocument();
  expect(form.queryByRole("checkbox", { name: /Pre-approved/ })).not.toBeInTheDocument();
});

test("a token without any end is warned of, and sent without one", async () => {
  const { person, server, form } = await creating();

  await person.type(form.getByRole("textbox", { name: "Label" }), "All");
  await person.click(form.getByRole("radio", { name: /reusable/ }));
  await person.selectOptions(form.getByRole("combobox", { name: "Expires after" }), "never");
  expect(form.getByText(/bring in devices for ever/)).toBeInTheDocument();
  await person.click(form.getByRole("button", { name: "Create token" }));
  await screen.findByRole("dialog", { name: "The token of All" });

  expect(server.writes[0]?.body).toEqual({ tenant_id: "t-1", label: "All" });
});

async function created() {
  const page = await creating();
  await page.person.type(page.form.getByRole("textbox", { name: "Label" }), "Gate");
  await page.person.click(page.form.getByRole("button", { name: "Create token" }));
  const dialog = await screen.findByRole("dialog", { name: "The token of Gate" });
  return { ...page, dialog: within(dialog), element: dialog as HTMLDialogElement };
}

test("the secret is shown with ready commands, each to copy", async () => {
  const { person, platform, server, dialog } = await created();
  const { secret } = server.api;

  await person.click(dialog.getByRole("button", { name: "Copy the token" }));
  await person.click(dialog.getByRole("button", { name: "Copy the command with the token" }));
  await person.click(dialog.getByRole("button", { name: /^Copy doorward enroll/ }));

  expect(platform.copied).toEqual([
    secret,
    `doorward enroll --server https://door.example --token ${secret}`,
    "doorward enroll --server https://door.example --token-file -",
  ]);
  expect(dialog.getByText(/shown this once/)).toBeInTheDocument();
});

test("the secret is gone for good when the user has stored it, and the list shows the token", async () => {
  const { person, server, dialog } = await created();

  await person.click(dialog.getByRole("button", { name: "I have stored it" }));

  expect(await screen.findByRole("article", { name: "Gate" })).toBeInTheDocument();
  expect(document.body).not.toHaveTextContent(server.api.secret);
});

test("an Escape by mistake does not take the secret away", async () => {
  const { dialog, element } = await created();

  element.close();

  expect(element.open).toBe(true);
  expect(dialog.getByRole("button", { name: "I have stored it" })).toBeInTheDocument();
});

test("a token that could do harm in a shell is not shown", async () => {
  const server = new FakeServer();
  server.answerWith(`POST ${PATH}`, () => json({ ...aToken("rgt_1"), token: "dwr_a; rm -rf /" }));
  const { person, form } = await creating(server);

  await person.type(form.getByRole("textbox", { name: "Label" }), "Gate");
  await person.click(form.getByRole("button", { name: "Create token" }));

  expect(await form.findByRole("alert")).toHaveTextContent("does not understand");
  expect(document.body).not.toHaveTextContent("rm -rf");
});

test("a refused form stays, with the server's sentence", async () => {
  const server = new FakeServer();
  server.answerWith(`POST ${PATH}`, () => refused(422, "`label` is taken."));
  const { person, form } = await creating(server);

  await person.type(form.getByRole("textbox", { name: "Label" }), "Gate");
  await person.click(form.getByRole("button", { name: "Create token" }));

  expect(await form.findByRole("alert")).toHaveTextContent("`label` is taken. Request req-8");
  expect(form.getByRole("textbox", { name: "Label" })).toHaveValue("Gate");
});

test("a form sent again after no answer makes one token; a changed form makes another", async () => {
  const server = new FakeServer();
  server.disconnect(`POST ${PATH}`);
  const { person, form, advance } = await creating(server);
  const create = () => person.click(form.getByRole("button", { name: "Create token" }));
  await person.type(form.getByRole("textbox", { name: "Label" }), "Gate");

  await create();
  await form.findByRole("alert");
  advance(10);
  await create();
  await person.type(form.getByRole("textbox", { name: "Label" }), "s");
  await create();

  await waitFor(() => expect(server.writes).toHaveLength(3));
  const [first, second, third] = server.writes.map(({ headers, body }) => [headers.get("Idempotency-Key"), body]);
  expect(second).toEqual(first);
  expect(third?.[0]).not.toEqual(first?.[0]);
});

test("an impatient second press sends nothing", async () => {
  const server = new FakeServer();
  server.hang(`POST ${PATH}`);
  const { person, form } = await creating(server);
  await person.type(form.getByRole("textbox", { name: "Label" }), "Gate");

  await person.click(form.getByRole("button", { name: "Create token" }));
  await person.click(form.getByRole("button", { name: "Creating…" }));

  expect(server.writes).toHaveLength(1);
});

test("rotating shows a new secret and says how long the former one works", async () => {
  const { person } = await opened(tokens(new FakeServer(), aToken("rgt_1", { label: "CI" })));

  await person.click(await screen.findByRole("button", { name: "Rotate CI" }));
  await person.click(screen.getByRole("button", { name: "Make a new secret" }));

  expect(await screen.findByRole("dialog", { name: "The token of CI" })).toHaveTextContent("until this one is first used");
});

test.each([
  ["Keep them", "keep", "Devices that would stay as they are: 2.", ["active", "active"]],
  ["Suspend them", "suspend", "Devices that would be suspended: 2.", ["suspended", "suspended"]],
  ["Revoke them", "revoke", "Devices that would be revoked for ever: 2.", ["revoked", "revoked"]],
])("revoking with %j tells how many devices before it does it", async (name, choice, sentence, states) => {
  const server = tokens(new FakeServer(), aToken("rgt_1", { label: "CI" }));
  const enrolled = { registration_token_id: "rgt_1" };
  server.api.devices = [aDevice("a", enrolled), aDevice("b", enrolled), aDevice("c")];
  const { person } = await opened(server);

  await person.click(await screen.findByRole("button", { name: "Revoke CI" }));
  await person.click(screen.getByRole("radio", { name: new RegExp(`^${name}`) }));
  expect(await screen.findByText(sentence)).toBeInTheDocument();
  expect(server.api.devices.map(({ state }) => state)).toEqual(["active", "active", "active"]);
  await person.click(screen.getByRole("button", { name: "Revoke this token" }));

  expect(await screen.findByText(/^CI was revoked\./)).toBeInTheDocument();
  expect(server.api.devices.map(({ state }) => state)).toEqual([...states, "active"]);
  expect(server.writes.at(-1)?.body).toEqual({ devices: choice, dry_run: false });
  expect(screen.getByRole("article", { name: "CI" })).toHaveTextContent("revoked");
});

test("nothing can be confirmed before the count is known", async () => {
  const server = tokens(new FakeServer(), aToken("rgt_1", { label: "CI" }));
  server.hang(`POST ${PATH}/rgt_1/revoke`);
  const { person } = await opened(server);

  await person.click(await screen.findByRole("button", { name: "Revoke CI" }));
  await person.click(screen.getByRole("button", { name: "Revoke this token" }));

  expect(screen.getByText("Counting devices…")).toBeInTheDocument();
  expect(server.writes.map(({ body }) => body["dry_run"])).toEqual([true]);
});

test("a token that somebody else has revoked meanwhile is told and shown so", async () => {
  const server = tokens(new FakeServer(), aToken("rgt_1", { label: "CI" }));
  server.answerWith(`POST ${PATH}/rgt_1/rotate`, () => refused(409, "The token is revoked."));
  const { person } = await opened(server);
  await person.click(await screen.findByRole("button", { name: "Rotate CI" }));
  server.api.tokens = [aToken("rgt_1", { label: "CI", state: "revoked" })];

  await person.click(screen.getByRole("button", { name: "Make a new secret" }));

  expect(await screen.findByRole("alert")).toHaveTextContent("CI: The token is revoked. It is now revoked.");
  expect(screen.getByRole("article", { name: "CI" })).toHaveTextContent("revoked");
  expect(screen.queryByRole("dialog")).not.toBeInTheDocument();
});

test("a token leads to the devices that it enrolled", async () => {
  const server = tokens(new FakeServer(), aToken("rgt_1", { label: "CI" }));
  server.api.devices = [aDevice("runner", { registration_token_id: "rgt_1" }), aDevice("laptop")];
  const { person } = await opened(server);

  await person.click(await screen.findByRole("link", { name: "Devices of CI" }));

  expect(await screen.findByRole("heading", { name: "Devices that joined with CI" })).toBeInTheDocument();
  expect(await screen.findByRole("article", { name: "runner" })).toBeInTheDocument();
  expect(screen.queryByRole("article", { name: "laptop" })).not.toBeInTheDocument();
});

test("a list that cannot be had says why and can be asked for again", async () => {
  const server = tokens(new FakeServer(), aToken("rgt_1", { label: "CI" }));
  server.breakDown(PATH);
  const { person } = await opened(server);
  const retry = await screen.findByRole("button", { name: "Try again" });
  server.repair();

  await person.click(retry);

  expect(await screen.findByRole("article", { name: "CI" })).toBeInTheDocument();
  expect(screen.queryByRole("alert")).not.toBeInTheDocument();
});

test("an action that finds the session over leads to the login", async () => {
  const server = tokens(new FakeServer(), aToken("rgt_1", { label: "CI" }));
  const { person } = await opened(server);
  await person.click(await screen.findByRole("button", { name: "Rotate CI" }));
  server.isLoggedIn = false;

  await person.click(screen.getByRole("button", { name: "Make a new secret" }));

  expect(await screen.findByRole("dialog", { name: "Your session has expired" })).toBeInTheDocument();
});
