# Starts the gateway's supervisor on the broker's Windows machine; it starts the gateway. All logic is in Python.
# python.exe of a venv is a launcher that takes its child with it, and a console that closes ends it first. So the
# supervisor runs in the real Python, which learns of the venv by this variable, and has its seconds to stop trading.
Set-Location (Join-Path $PSScriptRoot '..\..')
$launcher = Join-Path (Get-Location) '.venv\Scripts\python.exe'
$python = & $launcher -c 'import sys; print(sys._base_executable)'
$env:__PYVENV_LAUNCHER__ = $launcher
& $python -m services.gateway.supervisor
exit $LASTEXITCODE
