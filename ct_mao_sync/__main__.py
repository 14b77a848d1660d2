"""`python -m ct_mao_sync` is `ct-mao-sync`."""

from ct_mao_sync.cli.main import main

if __name__ == "__main__":
    main()
