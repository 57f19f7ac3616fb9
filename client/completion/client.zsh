#compdef NAME
# Completion of NAME in zsh: put this into a file named _NAME in a directory of $fpath, or
#	source <(NAME completion zsh)
# into ~/.zshrc, after compinit.
_FUNC() {
	local -a lines words_ shown
	local line
	lines=("${(@f)$("${words[1]/#\~/$HOME}" __complete zsh "${(@Q)words[1,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)}")
	case $lines[1] in
	files)
		_files
		return
		;;
	dirs)
		_files -/
		return
		;;
	esac
	for line in "${(@)lines[2,-1]}"; do
		words_+=("${line%%$'\t'*}")
		shown+=("${line/$'\t'/  -- }")
	done
	if [[ $lines[1] == nospace ]]; then
		compadd -S '' -d shown -a words_
	else
		compadd -d shown -a words_
	fi
}
if [[ $funcstack[1] == _FUNC ]]; then
	_FUNC "$@"
else
	compdef _FUNC NAME
fi
