/** Keeps what the page knows about the session true. React only draws it. */

import { createApi, type Api } from "../api/api";
import { createClient, type Failure, type Trouble } from "../api/client";
import type { Platform, Stop } from "../platform";
import { isOwnPath, loginPath } from "./addresses";
import { afterCheck, afterEnd, areOver, deadlinesFrom, type Outcome, type SessionState } from "./state";
import { openTabs, watchWindow, type Tabs } from "./window";

export interface View {
  readonly state: SessionState;
  /** One sentence about the last login or logout; stays until the user logs in or out. */
  readonly notice: string | null;
}

const TICK_MILLISECONDS = 1_000;
const CHECK_MILLISECONDS = 60_000;
const TROUBLE_CHECK_MILLISECONDS = 15_000;

export class Session {
  readonly api: Api;
  readonly #platform: Platform;
  readonly #listeners = new Set<() => void>();
  #view: View;
  #tabs: Tabs | null = null;
  #check: AbortController | null = null;
  #checkDueAt = 0;

  constructor(platform: Platform, notice: string | null) {
    this.#platform = platform;
    this.#view = { state: { kind: "unknown" }, notice };
    this.api = createApi(createClient(platform.fetch, () => this.#become(afterEnd(this.#state))));
  }

  readonly view = (): View => this.#view;

  readonly subscribe = (listener: () => void): Stop => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Asks who is there and goes on watching, until stopped. */
  start(): Stop {
    const tabs = openTabs(() => this.#end());
    const stopTicks = this.#platform.every(TICK_MILLISECONDS, () => this.#tick());
    const stopWatching = watchWindow({
      onReturn: () => void this.check(),
      // Whoever presses "back" later, perhaps somebody else, must not see the user even for a moment.
      onHide: () => this.#forget(),
      onRestore: () => {
        this.#forget();
        void this.check();
      },
    });
    this.#tabs = tabs;
    void this.check();
    return () => {
      stopWatching();
      stopTicks();
      tabs.close();
      this.#check?.abort();
    };
  }

  /** Asks the server who is there. Resolves to false when a later question took this one's place. */
  readonly check = async (): Promise<boolean> => {
    this.#check?.abort();
    const check = new AbortController();
    this.#check = check;
    const outcome = await this.#ask(check.signal);
    if (outcome.kind === "aborted") return false;
    this.#check = null;
    this.#checkDueAt = this.#platform.now() + pauseAfter(outcome);
    this.#become(afterCheck(this.#state, outcome));
    return true;
  };

  readonly logIn = (): void => {
    this.#leave("Taking you to the login…");
    this.#platform.go(loginPath(this.#platform.address()));
  };

  readonly logOut = async (): Promise<void> => {
    const before = this.#state;
    this.#leave("Logging you out…");
    const result = await this.api.logOut(new AbortController().signal);
    if (result.ok) {
      this.#loggedOut(result.value.logout_url);
    } else if (result.failure.kind === "trouble") {
      this.#become(before, `You are still logged in. ${result.failure.sentence}`);
    }
  };

  /** After "session expired": no, thank you. */
  readonly dismissExpiry = (): void => this.#end();

  get #state(): SessionState {
    return this.#view.state;
  }

  #become(state: SessionState, notice: string | null = this.#view.notice): void {
    this.#view = { state, notice };
    this.#listeners.forEach((listener) => listener());
  }

  #forget(): void {
    this.#check?.abort();
    this.#check = null;
    this.#become({ kind: "unknown" });
  }

  #end(notice: string | null = null): void {
    this.#check?.abort();
    this.#check = null;
    this.#become({ kind: "signed-out" }, notice);
  }

  /** Takes the user off the page first. If the way out fails, the next check brings the page back. */
  #leave(sentence: string): void {
    this.#check?.abort();
    this.#check = null;
    this.#checkDueAt = this.#platform.now() + TROUBLE_CHECK_MILLISECONDS;
    this.#become({ kind: "leaving", sentence }, null);
  }

  #loggedOut(logoutUrl: string): void {
    this.#tabs?.announceLogout();
    if (isOwnPath(logoutUrl, this.#platform.address().origin)) {
      this.#platform.go(logoutUrl);
      return;
    }
    // Without this check, whoever can forge that answer could send the user to a page that looks like ours.
    this.#end("You are logged out here, but perhaps not at your login provider: the way there was not safe to follow.");
  }

  async #ask(signal: AbortSignal): Promise<Outcome | { kind: "aborted" }> {
    const askedAt = this.#platform.now();
    const status = await this.api.session(signal);
    if (!status.ok) return outcomeOf(status.failure);
    if (!status.value.logged_in) return { kind: "nobody" };
    const user = await this.api.userinfo(signal);
    if (!user.ok) return outcomeOf(user.failure);
    return { kind: "somebody", user: user.value, deadlines: deadlinesFrom(status.value, askedAt) };
  }

  #tick(): void {
    if (this.#check !== null) return;
    if (this.#isOver()) void this.#confirmEnd();
    else if (this.#isCheckDue()) void this.check();
  }

  /** Another tab may have kept the session alive: ask before saying that it is over. No answer means that it is. */
  async #confirmEnd(): Promise<void> {
    if ((await this.check()) && this.#isOver()) this.#become(afterEnd(this.#state));
  }

  #isOver(): boolean {
    return this.#state.kind === "signed-in" && areOver(this.#state.deadlines, this.#platform.now());
  }

  #isCheckDue(): boolean {
    const isDue = this.#platform.now() >= this.#checkDueAt;
    return isDue && this.#platform.isVisible() && this.#state.kind !== "expired";
  }
}

function outcomeOf(failure: Failure): Outcome | { kind: "aborted" } {
  return failure.kind === "unauthorized" ? { kind: "nobody" } : failure;
}

function pauseAfter(outcome: Outcome): number {
  return outcome.kind === "trouble" ? pauseAfterTrouble(outcome) : CHECK_MILLISECONDS;
}

function pauseAfterTrouble(trouble: Trouble): number {
  if (trouble.retryAfterSeconds === null) return TROUBLE_CHECK_MILLISECONDS;
  return Math.min(trouble.retryAfterSeconds * 1000, CHECK_MILLISECONDS);
}
