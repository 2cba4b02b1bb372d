import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./App";
import { Navigation } from "./navigation/navigation";
import { browserPlatform } from "./platform";
import { takeLoginError } from "./session/loginErrors";
import { Session } from "./session/session";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/controls.css";
import "./styles/welcome.css";
import "./styles/shell.css";
import "./styles/home.css";
import "./styles/lists.css";
import "./styles/forms.css";

const root = document.getElementById("root");
if (root === null) throw new Error("index.html has no element #root");

const platform = browserPlatform();
const session = new Session(platform, takeLoginError(platform));
const navigation = new Navigation(platform);

createRoot(root).render(
  <StrictMode>
    <App platform={platform} session={session} navigation={navigation} />
  </StrictMode>,
);
