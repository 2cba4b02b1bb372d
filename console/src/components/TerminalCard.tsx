import { useParts } from "../parts";
import { Card } from "./Card";
import { Command } from "./Command";

export function TerminalCard() {
  const { platform } = useParts();
  const { origin } = platform.address();
  const commands = [
    `doorward login --server ${origin}`,
    "doorward whoami",
    `echo "Authorization: Bearer $(doorward token)" | curl -H @- ${origin}/api/v1/users/me`,
  ];
  return (
    <Card title="From the terminal" className="card--wide">
      <p className="card__note">The same user, the same API, without a browser at hand.</p>
      <ol className="commands">
        {commands.map((command) => (
          <li key={command}>
            <Command text={command} />
          </li>
        ))}
      </ol>
    </Card>
  );
}
