# Starts the gateway on the broker's Windows machine. All logic is in Python.
Set-Location (Join-Path $PSScriptRoot '..\..')
& .\.venv\Scripts\python.exe -m services.gateway
exit $LASTEXITCODE
