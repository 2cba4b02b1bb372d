import { usePlace } from "../../navigation/navigation";
import { pageOf } from "../../navigation/places";
import { EmptyState } from "../EmptyState";
import { Link } from "../Link";
import { MachinePicture } from "../pictures";

/** Why the list is empty, and what to do about it. */
export function NoDevices() {
  const place = usePlace();
  if (place.deviceState !== null || place.registrationTokenId !== null) {
    return (
      <EmptyState title={place.deviceState === null ? "No device here" : `No device is ${place.deviceState}`}>
        <Link to={pageOf(place, "devices")} className="button">
          Show live devices
        </Link>
      </EmptyState>
    );
  }
  return (
    <EmptyState title="No device has joined yet" picture={<MachinePicture />}>
      <p>Make a registration token, and run the command that comes with it on the machine.</p>
      <Link to={pageOf(place, "registration-tokens")} className="button button--primary">
        Go to registration tokens
      </Link>
    </EmptyState>
  );
}
