import { describe, expect, test } from "vitest";
import { since, until } from "../src/moments";
import { printable } from "../src/printable";
import { remaining } from "../src/remaining";
import { isOwnPath, loginPath } from "../src/session/addresses";
import { initials } from "../src/user";

const ORIGIN = "https://door.example";

describe("a path is our own", () => {
  test.each(["/", "/logout/abc", "/a?next=//evil.example", "/a//b", "/./a"])("when it is %j", (path) => {
    expect(isOwnPath(path, ORIGIN)).toBe(true);
  });

  test.each([
    "",
    "//evil.example",
    "///evil.example",
    "//door.example/logout",
    "/\\evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "/ /evil.example",
    "\u0001/a",
    "/./\\evil.example",
    "https:evil.example",
    "https://door.example/logout",
    "https://door.example@evil.example/",
    "javascript:alert(1)",
  ])("but not when it is %j", (path) => {
    expect(isOwnPath(path, ORIGIN)).toBe(false);
  });
});

test.each([
  { path: "//evil.example", hash: "", redirect: "/" },
  { path: "/%2fevil.example", hash: "", redirect: "/" },
  { path: "/%5Cevil.example", hash: "", redirect: "/" },
  { path: "/a", hash: "#\\b", redirect: "/a" },
  { path: "/a", hash: "#" + "b".repeat(3000), redirect: "/a" },
  { path: "/" + "a".repeat(3000), hash: "", redirect: "/" },
  { path: "/tenants/t-1", hash: "#new", redirect: "/tenants/t-1#new" },
])("a login from $path returns to what the agent takes", ({ path, hash, redirect }) => {
  const start = new URL(loginPath({ origin: ORIGIN, path, search: "", hash }), ORIGIN);

  expect(start.searchParams.get("redirect")).toBe(redirect);
});

test.each([
  ["Alice Doe", "AD"],
  ["alice van dyck", "AD"],
  ["bob@example.com", "B"],
  ["bob.roe@example.com", "BR"],
  ["𝒜da", "𝒜"],
  ["李 小龍", "李小"],
])("the initials of %s are %s", (name, expected) => {
  expect(initials(name)).toBe(expected);
});

test.each([
  [0, "0 s"],
  [-5_000, "0 s"],
  [59_001, "1 min 00 s"],
  [3_599_000, "59 min 59 s"],
  [3_600_000, "1 h 00 min"],
  [90_000_000, "1 d 1 h"],
])("%d ms are left: %s", (milliseconds, text) => {
  expect(remaining(milliseconds).text).toBe(text);
});

test.each([
  ["2023-11-14T22:13:20Z", "just now"],
  ["2023-11-14T22:14:20Z", "just now"],
  ["2023-11-14T21:13:21Z", "59 min ago"],
  ["2023-11-12T22:13:20Z", "2 d ago"],
  ["2023-01-02T03:04:05Z", "2023-01-02"],
])("%s was %s", (at, text) => {
  expect(since(at, 1_700_000_000_000)).toBe(text);
});

test.each([
  ["2023-11-14T22:13:40Z", "in less than a minute"],
  ["2023-11-21T22:10:00Z", "in 7 d"],
  ["2023-11-14T22:12:00Z", "1 min ago"],
  ["2024-11-14T22:12:00Z", "2024-11-14"],
])("%s is %s", (at, text) => {
  expect(until(at, 1_700_000_000_000)).toBe(text);
});

test.each([
  ["Zoë's 👩‍💻 λ", "Zoë's 👩‍💻 λ"],
  ["a\u202eb\u2066", "a\\u{202e}b\\u{2066}"],
  ["\u001b[31mred\r\n", "\\u{1b}[31mred\\u{d}\\u{a}"],
])("%j is shown as %j", (text, shown) => {
  expect(printable(text)).toBe(shown);
});
