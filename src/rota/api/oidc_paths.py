"""Where a login at an issuer begins, and where it comes back."""

PATH = "/login/oidc"
CALLBACK = f"{PATH}/callback"
