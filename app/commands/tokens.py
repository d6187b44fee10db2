"""`flask token` for developers: print an access token of a user, to try the API as that user."""

import sys
import time
from typing import Final

import click
import jwt
from flask.cli import with_appcontext

from app.commands.auditing import audited
from app.commands.service_role import NoServiceKeyError, connected_service
from app.database import DatabaseRefusalError, DatabaseUnavailableError
from config import Settings, load_settings

_SECONDS: Final = 3600  # as long as Supabase's own tokens are valid by default
_IN_PRODUCTION: Final = (
    "flask token needs APP_ENV=development: in production nobody may act as a user without the user's password. "
    "Sign in at Supabase instead; docs/programs.md shows how."
)
_CANNOT_SIGN: Final = (
    "flask token needs SUPABASE_JWT_SECRET: a project with published keys does not give its signing key away. "
    "Sign in at Supabase instead; docs/programs.md shows how."
)


@click.command("token")
@click.option("--user", "email", required=True, metavar="EMAIL", help="The user for whom the token is made.")
@with_appcontext
@audited("token.make", account="email")
def token(email: str) -> None:
    """Print an access token of a user, valid for one hour. Only in development, and only with a shared secret.

    The token cannot be refreshed; run the command again. Exit status: 0 when done, 1 when it failed or was refused, 2
    for wrong arguments.
    """
    settings = load_settings()
    if settings.in_production:
        raise click.ClickException(_IN_PRODUCTION)
    if settings.supabase_jwt_secret is None:
        raise click.ClickException(_CANNOT_SIGN)
    try:
        with connected_service(settings) as service:
            user_id = service.find_user(email)
    except (NoServiceKeyError, DatabaseUnavailableError, DatabaseRefusalError) as error:
        sys.exit(str(error))
    if user_id is None:
        sys.exit(f"There is no user {email}.")
    click.echo(access_token(settings, user_id, secret=settings.supabase_jwt_secret.get_secret_value()))


def access_token(settings: Settings, user_id: str, *, secret: str) -> str:
    """Return a token like those of Supabase for this user, valid for one hour and signed with `secret`."""
    now = int(time.time())
    claims = {"sub": user_id, "role": "authenticated", "aud": settings.supabase_jwt_audience}
    issuer = {"iss": settings.token_issuer} if settings.token_issuer else {}
    return jwt.encode({**claims, **issuer, "iat": now, "exp": now + _SECONDS}, secret, "HS256")
