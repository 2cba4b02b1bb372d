import { act, render } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { App } from "../src/App";
import { Navigation } from "../src/navigation/navigation";
import { takeLoginError } from "../src/session/loginErrors";
import { Session } from "../src/session/session";
import { FakePlatform } from "./fakes/platform";
import { FakeServer } from "./fakes/server";

/** Opens the console as `main.tsx` does. */
export function openConsole(server: FakeServer, path = "/") {
  const platform = new FakePlatform(server.fetch, path);
  const session = new Session(platform, takeLoginError(platform));
  const navigation = new Navigation(platform);
  const { unmount } = render(<App platform={platform} session={session} navigation={navigation} />);
  const advance = (seconds: number) => act(() => platform.advance(seconds));
  const pressBack = () => act(() => platform.pressBack());
  return { platform, unmount, person: userEvent.setup(), advance, pressBack };
}

export function focusWindow(): void {
  act(() => void window.dispatchEvent(new Event("focus")));
}

export function leavePage(): void {
  act(() => void window.dispatchEvent(new Event("pagehide")));
}

/** What the browser says when a page comes back out of the back/forward cache. */
export function restorePage(): void {
  act(() => void window.dispatchEvent(Object.assign(new Event("pageshow"), { persisted: true })));
}
