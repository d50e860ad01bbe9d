"""``cmle gateway``: the gateway's own process, started by the emulator."""

import click


@click.command(
    name="gateway",
    context_settings={"ignore_unknown_options": True, "help_option_names": []},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def gateway(arguments: tuple[str, ...]) -> None:
    """Route and serve Google's hosts; see emulator.gateway.process."""
    from emulator.gateway.process import main

    raise click.exceptions.Exit(main(list(arguments)) or 0)
