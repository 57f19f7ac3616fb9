# Completion of NAME in fish: put this into ~/.config/fish/completions/NAME.fish.
function _FUNC
	set -l before (commandline -opc)
	set -l current (commandline -ct)
	set -l lines (eval $before[1] __complete fish (string escape -- $before (string unescape -- $current)) 2>/dev/null)
	switch "$lines[1]"
		case files
			__fish_complete_path $current
		case dirs
			__fish_complete_directories $current
		case '*'
			if test (count $lines) -gt 1
				printf '%s\n' $lines[2..-1]
			end
	end
end
complete -c NAME -f -a '(_FUNC)'
